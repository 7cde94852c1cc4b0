//! An IP address, or a block of them in CIDR notation (RFC 4632 section 3.1, RFC 4291 section 2.3).

use std::net::IpAddr;

/// A block of addresses; a single address is a block of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRange {
    address: IpAddr,
    prefix: u32,
}

impl AddressRange {
    /// Parses `203.0.113.9`, `203.0.113.0/24`, `2001:db8::/32`. Bits after the prefix count for nothing.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) if prefix.len() <= 3 && prefix.bytes().all(|b| b.is_ascii_digit()) => {
                (address, Some(prefix.parse::<u32>().ok()?))
            }
            Some(_) => return None,
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let prefix = prefix.unwrap_or(bits(address));
        (prefix <= bits(address)).then_some(Self { address, prefix })
    }

    /// Returns whether an address lies in the block. IPv4 addresses that are written as IPv6 count as what they are.
    pub fn contains(&self, other: IpAddr) -> bool {
        match (self.address.to_canonical(), other.to_canonical()) {
            (IpAddr::V4(mine), IpAddr::V4(other)) => {
                let prefix = self.prefix.saturating_sub(bits(self.address) - 32);
                same(mine.to_bits().into(), other.to_bits().into(), 32 - prefix)
            }
            (IpAddr::V6(mine), IpAddr::V6(other)) => same(mine.to_bits(), other.to_bits(), 128 - self.prefix),
            _ => false,
        }
    }
}

/// Returns what an address counts as where attempts are counted: IPv6 by its /64, all of which one subscriber has (RFC 6177), so that
/// nobody gets new attempts with each of its addresses. What is no address stays as it is.
pub fn household(address: &str) -> String {
    match address.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
        Ok(IpAddr::V6(ip)) => {
            let network = std::net::Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64);
            format!("{network}/64")
        }
        Ok(IpAddr::V4(ip)) => ip.to_string(),
        Err(_) => address.to_owned(),
    }
}

const fn bits(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn same(a: u128, b: u128, free: u32) -> bool {
    (a ^ b).checked_shr(free).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(range: &str, address: &str) -> bool {
        AddressRange::parse(range).unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn a_block_holds_what_shares_its_prefix() {
        assert!(holds("203.0.113.9", "203.0.113.9") && !holds("203.0.113.9", "203.0.113.8"));
        assert!(holds("203.0.113.77/24", "203.0.113.255") && !holds("203.0.113.0/24", "203.0.114.0"));
        assert!(holds("0.0.0.0/0", "8.8.8.8") && !holds("0.0.0.0/0", "2001:db8::1"));
        assert!(holds("2001:db8::/32", "2001:db8:ffff::1") && !holds("2001:db8::/32", "2001:db9::1"));
        assert!(holds("::/0", "2001:db8::1"));
        assert!(
            holds("203.0.113.0/24", "::ffff:203.0.113.1") && holds("::ffff:203.0.113.0/120", "203.0.113.1")
        );
    }

    #[test]
    fn the_addresses_of_one_subscriber_count_as_one() {
        assert_eq!(household("203.0.113.9"), "203.0.113.9");
        assert_eq!(household("::ffff:203.0.113.9"), "203.0.113.9");
        assert_eq!(household("2001:db8:1:2:aaaa::1"), "2001:db8:1:2::/64");
        assert_eq!(household("2001:db8:1:2:bbbb::2"), "2001:db8:1:2::/64");
        assert_eq!(household("unknown"), "unknown");
    }

    #[test]
    fn what_is_no_block_is_refused() {
        for text in [
            "",
            "/",
            "a",
            "1.2.3",
            "1.2.3.4/33",
            "1.2.3.4/",
            "1.2.3.4/-1",
            "::/129",
            "1.2.3.4/+8",
            "1.2.3.4/8/8",
        ] {
            assert_eq!(AddressRange::parse(text), None, "{text}");
        }
    }
}
