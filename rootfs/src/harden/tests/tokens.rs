use super::*;

const WORD: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const HEX: &[u8] = b"0123456789abcdef";
/// Put together here, so that nobody who looks for tokens finds any in this file.
const PUBLISHED: &str = "zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17";

#[test]
fn tokens_are_found_with_their_issuers() {
    let check = |token: String, issuer| {
        check(format!("export TOKEN='{token}'\n"), Some(Secret::Token(issuer)));
        check(token, Some(Secret::Token(issuer)));
    };
    check(format!("ghp_{PUBLISHED}"), "GitHub");
    check(format!("npm_{PUBLISHED}"), "npm");
    let word = |length| random(WORD, length, 7);
    check(format!("github_pat_{}_{}", word(22), word(59)), "GitHub");
    check(format!("glpat-{}", word(20)), "GitLab");
    check(format!("xoxb-1234098765-{}", word(40)), "Slack");
    check(format!("sk_live_{}", word(24)), "Stripe");
    check(format!("pypi-AgEIcHlwaS5vcmc{}", word(90)), "PyPI");
    check(format!("SG.{}.{}", word(22), word(43)), "SendGrid");
    check(format!("dop_v1_{}", random(HEX, 64, 7)), "DigitalOcean");
    check(format!("hvs.{}", word(95)), "Vault");
    check(format!("dckr_pat_{}", word(27)), "Docker Hub");
    check(format!("hf_{}", word(34)), "Hugging Face");
    check(format!("shpat_{}", random(HEX, 32, 7)), "Shopify");
    check(format!("GOCSPX-{}", word(28)), "Google");
}

#[test]
fn what_is_like_a_token_is_none() {
    let check = |text: &str| check(text, None);
    check(&format!("ghp_{}", PUBLISHED.replace("zQ", "yQ")));
    check(&format!("ghp_{PUBLISHED}a"));
    check(&format!("xghp_{PUBLISHED}"));
    check(&format!("ghp_{}", &PUBLISHED[..30]));
    check(&format!("glpat-{}", "x".repeat(20)));
    check("sk_live_EXAMPLEaBcDeFgHiJkLmNoPq");
    check(&format!("dop_v1_{}", "0123456789".repeat(6) + "abcd"));
    check("SG.js and MSG.com are words of a program, SG.a.b too");
    check("hf_hub_download_and_other_functions_of_a_library");
}

#[test]
fn a_key_of_aws_is_found_by_its_two_halves() {
    let name = format!("AKIA{}", random(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16, 3));
    let key = random(BASE64, 38, 5) + "a1";
    let issuer = Some(Secret::Token("AWS"));
    check(format!("key_id: {name}\nsecret: {key}\n"), issuer);
    check(format!("key_id: {name}\n"), None);
    check(format!("{name} {}", "0123456789abcdef".repeat(3)), None);
    let shown = "AKIAIOSFODNN7EXAMPLE";
    check(format!("key_id: {shown}\nsecret: {key}\n"), None);
    let storage = |key: String| format!("AccountName=a;AccountKey={key};EndpointSuffix=b");
    check(storage(random(BASE64, 86, 9) + "=="), Some(Secret::Token("Azure")));
    check(storage(random(BASE64, 86, 9)), None);
}
