//! Access control lists. One file per API.
//!
//! A configuration that names an authorizer is refused at the start, so a node that runs has none, and every one of these
//! is answered SECURITY_DISABLED. Clients rely on that: MirrorMaker 2 asks every source for its ACLs, takes this answer for
//! "there are none to mirror", and any other for a failure.

pub mod create_acls;
pub mod delete_acls;
pub mod describe_acls;

const NO_AUTHORIZER: &str = "no authorizer is configured";
