//! Signing of calls to AWS: Signature Version 4.
//!
//! The official crate `aws-sigv4` would bring eleven others and a second implementation of HMAC. What we send needs little of it: a POST to
//! a fixed path without a query, its body in memory. Its tests are AWS's own published examples.

use lockstep_core::crypto::digest::{hmac_sha256, hmac_sha256_hex, sha256_hex};
use lockstep_core::time::Timestamp;
use reqwest::{Client, RequestBuilder};

use super::SendError;
use super::http_client;

/// A key for one service in one region.
pub(super) struct Signer {
    pub(super) service: &'static str,
    pub(super) region: String,
    pub(super) key_id: String,
    pub(super) secret: String,
}

impl Signer {
    /// Returns the address of a service, if the region looks like one: it becomes part of a host name.
    pub(super) fn home(host: &str, region: &str) -> Result<String, SendError> {
        if region.is_empty()
            || !region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        {
            return Err(SendError::ForGood("the AWS region is not one".to_owned()));
        }
        let china = if region.starts_with("cn-") { ".cn" } else { "" };
        Ok(format!("https://{host}.{region}.amazonaws.com{china}"))
    }

    /// Returns a signed POST. `path` is absolute, and has nothing that would have to be encoded.
    pub(super) fn post(
        &self,
        client: &Client,
        (base, path): (&str, &str),
        content_type: &str,
        body: String,
        now: Timestamp,
    ) -> Result<RequestBuilder, SendError> {
        let url = url::Url::parse(&format!("{base}{path}"))
            .map_err(|error| SendError::ForGood(format!("the address of AWS is none: {error}")))?;
        let (host, at) = (http_client::authority(&url), moment(now)?);
        // In the order of their names, as they are signed.
        let headers = [("content-type", content_type), ("host", &host), ("x-amz-date", &at)];
        let authorization = self.authorization(url.path(), &headers, body.as_bytes(), &at);
        let request = client.post(url).header("content-type", content_type).header("x-amz-date", &at);
        Ok(request.header("authorization", authorization).body(body))
    }

    fn authorization(&self, path: &str, headers: &[(&str, &str)], body: &[u8], at: &str) -> String {
        let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let request = format!("POST\n{path}\n\n{lines}\n{names}\n{}", sha256_hex(body));
        let day = &at[..8];
        let scope = format!("{day}/{}/{}/aws4_request", self.region, self.service);
        let to_sign = format!("AWS4-HMAC-SHA256\n{at}\n{scope}\n{}", sha256_hex(request.as_bytes()));
        let mut key = hmac_sha256(format!("AWS4{}", self.secret).as_bytes(), day.as_bytes());
        for part in [self.region.as_str(), self.service, "aws4_request"] {
            key = hmac_sha256(&key, part.as_bytes());
        }
        let signature = hmac_sha256_hex(&key, to_sign.as_bytes());
        format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
            self.key_id
        )
    }
}

/// `20150830T123600Z`.
fn moment(now: Timestamp) -> Result<String, SendError> {
    jiff::Timestamp::from_second(now.as_secs())
        .map(|t| t.strftime("%Y%m%dT%H%M%SZ").to_string())
        .map_err(|_| SendError::ForNow("the clock is outside the years that AWS knows".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The credentials and the moment of AWS's signing test suite.
    fn example() -> (Signer, String) {
        let signer = Signer {
            service: "service",
            region: "us-east-1".to_owned(),
            key_id: "AKIDEXAMPLE".to_owned(),
            secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
        };
        (signer, moment(Timestamp::parse_iso("2015-08-30T12:36:00Z").unwrap()).unwrap())
    }

    #[test]
    fn the_signatures_are_those_that_aws_publishes() {
        let (signer, at) = example();
        assert_eq!(at, "20150830T123600Z");
        // post-vanilla
        let headers = [("host", "example.amazonaws.com"), ("x-amz-date", &at)];
        assert_eq!(
            signer.authorization("/", &headers, b"", &at),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
        );
        // post-x-www-form-urlencoded
        let body = b"Param1=value1";
        let headers = [
            ("content-length", "13"),
            ("content-type", "application/x-www-form-urlencoded"),
            ("host", "example.amazonaws.com"),
            ("x-amz-content-sha256", "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e"),
            ("x-amz-date", &at),
        ];
        let told = signer.authorization("/", &headers, body, &at);
        assert!(
            told.ends_with("Signature=d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b"),
            "{told}"
        );
    }

    #[test]
    fn a_region_leads_to_aws_and_nowhere_else() {
        assert_eq!(Signer::home("sns", "eu-west-1").unwrap(), "https://sns.eu-west-1.amazonaws.com");
        assert_eq!(Signer::home("sns", "cn-north-1").unwrap(), "https://sns.cn-north-1.amazonaws.com.cn");
        for bad in ["", "evil.example/", "a@b", "EU"] {
            assert!(Signer::home("sns", bad).is_err(), "{bad}");
        }
    }
}
