FROM scratch
COPY . /of-other/
