//! ACLs without an authorizer: every call is SECURITY_DISABLED, entry by entry, on both listeners, as Apache Kafka 4.3.1 answers it.

use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::delete_acls_request::DeleteAclsFilter;
use kafka_protocol::messages::{CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest};

use crate::client::Client;
use crate::node::Node;

const SECURITY_DISABLED: i16 = 54;

#[test]
fn without_an_authorizer_there_are_no_acls_to_see_or_change() {
    let node = Node::start();
    for address in [node.address(), node.controller_address()] {
        let mut client = Client::connect(address);
        for version in 1..=3 {
            let described = client.call(version, &DescribeAclsRequest::default());
            assert_eq!(described.error_code, SECURITY_DISABLED);
            assert!(described.error_message.is_some() && described.resources.is_empty());

            let creations = vec![AclCreation::default(); 2];
            let created = client.call(version, &CreateAclsRequest::default().with_creations(creations));
            let codes: Vec<i16> = created.results.iter().map(|result| result.error_code).collect();
            assert_eq!(codes, [SECURITY_DISABLED; 2]);

            let filters = vec![DeleteAclsFilter::default(); 3];
            let deleted = client.call(version, &DeleteAclsRequest::default().with_filters(filters));
            let codes: Vec<i16> = deleted
                .filter_results
                .iter()
                .map(|result| result.error_code)
                .collect();
            assert_eq!(codes, [SECURITY_DISABLED; 3]);
        }
    }
}
