//! Who and what the numbers are of.

use std::collections::HashMap;

use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{Array, Nullable, Text, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use super::rows::Writer;
use crate::{
    db::{
        Connection,
        read::{
            avatar_url,
            participants::{NAME, PICTURE},
        },
        viewers::WAS,
    },
    model::analytics::{ActiveConversation, ActivePerson, Tally},
};

/// The titles of those of these conversations that are the viewer's.
pub(super) async fn titles(
    conn: &mut Connection,
    user_id: &str,
    ids: &[Uuid],
) -> QueryResult<HashMap<Uuid, Option<String>>> {
    #[derive(QueryableByName)]
    struct Title {
        #[diesel(sql_type = SqlUuid)]
        conversation_id: Uuid,
        #[diesel(sql_type = Nullable<Text>)]
        title: Option<String>,
    }
    let rows: Vec<Title> = sql_query(
        "SELECT conversation_id, title FROM tributary.conversation_access
         WHERE user_id = $1 AND conversation_id = ANY($2)",
    )
    .bind::<Text, _>(user_id)
    .bind::<Array<SqlUuid>, _>(ids)
    .load(conn)
    .await?;
    let pair = |row: Title| (row.conversation_id, row.title);
    Ok(rows.into_iter().map(pair).collect())
}

/// These conversations with their titles, in their order.
pub(super) async fn of_conversations(
    conn: &mut Connection,
    user_id: &str,
    counted: &[(Uuid, Tally)],
) -> QueryResult<Vec<ActiveConversation>> {
    let ids: Vec<_> = counted.iter().map(|(id, _)| *id).collect();
    let mut titles = titles(conn, user_id, &ids).await?;
    let active = |&(conversation_id, tally): &(Uuid, Tally)| ActiveConversation {
        conversation_id,
        title: titles.remove(&conversation_id).flatten(),
        tally,
    };
    Ok(counted.iter().map(active).collect())
}

/// These people with their names, in their order.
pub(super) async fn of_people(
    conn: &mut Connection,
    user_id: &str,
    counted: &[Writer],
) -> QueryResult<Vec<ActivePerson>> {
    #[derive(QueryableByName)]
    struct Person {
        #[diesel(sql_type = SqlUuid)]
        id: Uuid,
        #[diesel(sql_type = Text)]
        matrix_user_id: String,
        #[diesel(sql_type = Nullable<Text>)]
        external_id: Option<String>,
        #[diesel(sql_type = Nullable<Text>)]
        display_name: Option<String>,
        #[diesel(sql_type = Nullable<SqlUuid>)]
        avatar: Option<Uuid>,
    }
    let ids: Vec<_> = counted.iter().map(|writer| writer.participant_id).collect();
    let rows: Vec<Person> = sql_query(format!(
        "SELECT p.id, p.matrix_user_id, p.external_id, {NAME} AS display_name, i.id AS avatar
         FROM tributary.participants p
         JOIN tributary.conversation_access a
           ON a.conversation_id = p.conversation_id AND a.user_id = $1
         {WAS}
         LEFT JOIN tributary.media i ON i.id = {PICTURE} AND i.state = 'stored'
         WHERE p.id = ANY($2)"
    ))
    .bind::<Text, _>(user_id)
    .bind::<Array<SqlUuid>, _>(ids)
    .load(conn)
    .await?;
    let mut people: HashMap<_, _> = rows.into_iter().map(|row| (row.id, row)).collect();
    let active = |writer: &Writer| {
        let person = people.remove(&writer.participant_id)?;
        Some(ActivePerson {
            matrix_user_id: person.matrix_user_id,
            external_id: person.external_id,
            display_name: person.display_name,
            avatar_url: avatar_url(person.avatar),
            messages: writer.messages,
            conversations: writer.conversations,
        })
    };
    Ok(counted.iter().filter_map(active).collect())
}
