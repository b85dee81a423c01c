//! Who may send requests, and how large their heads may be.

use std::net::IpAddr;

use actix_web::HttpRequest;
use ipnet::IpNet;

use super::is_health;
use crate::{Failure, caller_address};

/// The addresses that are let in.
pub(super) struct Senders {
    pub(super) allow: Vec<IpNet>,
    /// Not even if `allow` has them.
    pub(super) deny: Vec<IpNet>,
}

impl Senders {
    /// Refuses a request of an address that is not let in. Probes come from anywhere, and learn nothing else.
    pub(super) fn check(&self, request: &HttpRequest) -> Result<(), Failure> {
        let Self { allow, deny } = self;
        if (allow.is_empty() && deny.is_empty()) || is_health(request.match_info().as_str()) {
            return Ok(());
        }
        let is_in = |networks: &[IpNet], address: IpAddr| networks.iter().any(|network| network.contains(&address));
        match caller_address(request) {
            Some(address) if !is_in(deny, address) && (allow.is_empty() || is_in(allow, address)) => Ok(()),
            _ => Err(Failure::Forbidden("requests from this address are not let in".to_owned())),
        }
    }
}

/// How large the target and headers of a request may be.
pub(super) struct HeaderSizes {
    pub(super) bytes: usize,
    pub(super) count: usize,
}

impl HeaderSizes {
    /// Refuses a request with more.
    pub(super) fn check(&self, request: &HttpRequest) -> Result<(), Failure> {
        let headers = request.headers();
        if headers.len() > self.count {
            return Err(Failure::HeadersTooLarge(format!("{} headers", self.count)));
        }
        let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
        let size = headers.iter().fold(target, |size, (name, value)| size + name.as_str().len() + value.len());
        if size > self.bytes {
            return Err(Failure::HeadersTooLarge(format!("{} bytes of target and headers", self.bytes)));
        }
        Ok(())
    }
}
