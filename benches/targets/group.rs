//! A group that customers are in.

use tributary::{db::Database, matrix::bridges::Bridges, model::portal::Portal};

use crate::shared::{
    events::Shape,
    people::{link, map},
};

/// A group that all customers are in, and somebody who writes there.
pub(crate) const GROUP: &str = "!group:lab.local";
pub(crate) const GROUP_GHOST: &str = "@facebook_200000000000000:lab.local";

/// Links customers who are not linked yet, and maps a group of all of them.
pub(crate) async fn populate_group(
    db: &Database,
    bridges: &Bridges,
    customers: usize,
) -> anyhow::Result<()> {
    let linked = Shape::default().customers;
    for number in linked..customers {
        link(db, number).await?;
    }
    let portal = Portal {
        protocol_id: "facebookgo".into(),
        channel_id: "300000000000000".into(),
        receiver: String::new(),
        room_type_v2: Some("group_dm".into()),
        room_type: None,
    };
    let mut people: Vec<_> = (0..customers).map(Shape::customer).collect();
    people.push(GROUP_GHOST.to_owned());
    map(db, bridges, GROUP, &portal, &people).await
}
