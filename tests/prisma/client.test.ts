import { afterAll, beforeAll, expect, test } from "vitest";
import { DATABASE, given, sql } from "./support/database.js";
import { reader } from "./support/reader.js";

const role = await reader();
process.env["TRIBUTARY_DATABASE_URL"] = role.url;
const { tributary } = await import("./build/app/lib/tributary");
const chats = await import("./build/app/lib/chats");

const ALICE = "user_alice";

/** What the API says to the same question. */
async function asked(path: string): Promise<any> {
  const headers = { Authorization: `Bearer ${given("TRIBUTARY_TEST_TOKEN")}` };
  const answer = await fetch(given("TRIBUTARY_TEST_URL") + path, { headers });
  expect(answer.status, path).toBe(200);
  return answer.json();
}

/** The fields that are the same there and here. */
const same = (message: any) => ({
  id: message.id,
  conversationId: message.conversationId,
  matrixEventId: message.matrixEventId,
  type: message.type,
  body: message.body,
  formattedBody: message.formattedBody,
  timestamp: new Date(message.timestamp),
  editedAt: message.editedAt && new Date(message.editedAt),
  deletedAt: message.deletedAt && new Date(message.deletedAt),
  historical: message.historical,
});

let direct: any;
let group: any;

beforeAll(async () => {
  const { items } = await asked("/api/conversations");
  group = items.find((it: any) => it.title === "Friends");
  direct = items.find((it: any) => it.title === "Carol");
});
afterAll(async () => {
  await tributary.$disconnect();
  await role.drop();
});

test("connections are those that the API lists", async () => {
  const listed = await chats.connections(ALICE);
  const { connections } = await asked("/api/messenger/status");
  const fields = ({ id, status, matrixUserId, bridgeUserId, remoteName, error }: any) => ({
    id, status, matrixUserId, bridgeUserId, remoteName, error,
  });
  expect(listed.map(fields)).toEqual(connections.map(fields));
  expect(listed[0]).toMatchObject({ userId: ALICE, matrixUserId: "@alice:lab.local", status: "CONNECTED" });
  expect(await chats.connections("user_nobody")).toEqual([]);
});

test("conversations have the titles, the order and the people of the API's", async () => {
  const listed = await chats.conversations(ALICE);
  const { items } = await asked("/api/conversations");
  expect(listed.map(({ title, unreadCount, conversation: { id, matrixRoomId, network, isGroup } }) => ({
    id, title, unreadCount, matrixRoomId, network, isGroup,
  }))).toEqual(items.map(({ id, title, unreadCount, matrixRoomId, network, isGroup }: any) => ({
    id, title, unreadCount, matrixRoomId, network, isGroup,
  })));
  for (const { conversation } of listed) {
    const { participants } = await asked(`/api/conversations/${conversation.id}`);
    const fields = ({ id, matrixUserId, externalId, displayName, membership }: any) => ({
      id, matrixUserId, externalId, displayName, membership,
    });
    const byId = (a: any, b: any) => (a.id < b.id ? -1 : 1);
    expect(conversation.participants.map(fields).sort(byId)).toEqual(participants.map(fields).sort(byId));
    const own = participants.filter(({ isSelf }: any) => isSelf).map(({ id }: any) => id);
    expect((await chats.self(ALICE, conversation.id)).map(({ id }) => id)).toEqual(own);
  }
  expect(listed).toHaveLength(3);
});

test("messages are paged by key, the newest first, though all are of one moment", async () => {
  const { items } = await asked(`/api/conversations/${group.id}/messages?limit=200`);
  const paged: string[] = [];
  let after: string | undefined;
  for (;;) {
    const page = await chats.messages(ALICE, group.id, after, 7);
    paged.push(...page.map(({ id }) => id));
    after = page.at(-1)?.id;
    if (page.length < 7) break;
  }
  expect(paged).toHaveLength(60);
  expect(new Set(paged)).toEqual(new Set(items.map(({ id }: any) => id)));
});

test("a message has its sender, its reactions, its files and what it answers", async () => {
  const read = await chats.messages(ALICE, direct.id);
  const { items } = await asked(`/api/conversations/${direct.id}/messages`);
  expect(read.map(same)).toEqual(items.map(same));
  expect(read.map(({ sender }) => sender.displayName)).toEqual(items.map(({ sender }: any) => sender.displayName));
  expect(read.map(({ replyTo }) => replyTo?.id ?? null)).toEqual(items.map(({ replyTo }: any) => replyTo));

  const edited = read.find(({ editedAt }) => editedAt !== null);
  const me = await chats.self(ALICE, direct.id);
  const { reactions } = edited?.metadata as unknown as import("./build/app/lib/chats").Metadata;
  expect(reactions).toEqual([{ key: "👍", count: 1, senders: me.map(({ id }) => id).slice(0, 1) }]);
  expect(edited).toMatchObject({ body: "hello Alice", content: { body: "hello Alice" } });

  const picture = read.find(({ type }) => type === "m.image");
  const { editEventId, matrixEventId, attachments = [] } = picture ?? {};
  expect(attachments.filter(({ eventId }) => eventId === (editEventId ?? matrixEventId))).toMatchObject([
    { kind: "image", filename: "cat.png", mimeType: "image/png", size: 1234n, width: 40, height: 30 },
  ]);
  const redacted = read.find(({ deletedAt }) => deletedAt !== null);
  expect(redacted).toMatchObject({ body: "", content: null, metadata: { reactions: [] }, attachments: [] });
});

test("nothing can be written", async () => {
  await expect(tributary.message.deleteMany()).rejects.toThrow();
  const read = { where: { userId: ALICE }, data: { unreadCount: 0 } };
  await expect(tributary.conversationAccess.updateMany(read)).rejects.toThrow();
});

test("nobody else's are read, and who has left sees no more than they had received", async () => {
  expect(await chats.messages("user_bob", direct.id)).toEqual([]);
  expect(await chats.messages("user_nobody", group.id)).toEqual([]);
  expect(await chats.messages("user_bob", group.id, undefined, 200)).toHaveLength(60);
  const until = "UPDATE tributary.room_grants SET until_at = $2 WHERE user_id = 'user_bob' AND room_id = $1";
  await sql(DATABASE, until, ["!group:lab.local", new Date(0)]);
  expect(await chats.messages("user_bob", group.id)).toEqual([]);
  // A leave that came in a second behind the newest message, and was said after all of them, or before.
  const late = `UPDATE tributary.room_grants SET until_ts = $2,
      until_at = (SELECT max(received_at) + interval '1 second' FROM tributary.messages WHERE room_id = $1)
    WHERE user_id = 'user_bob' AND room_id = $1`;
  await sql(DATABASE, late, ["!group:lab.local", Date.now()]);
  expect(await chats.messages("user_bob", group.id, undefined, 200)).toHaveLength(60);
  await sql(DATABASE, late, ["!group:lab.local", 0]);
  expect((await chats.messages("user_bob", group.id, undefined, 200)).length).toBeLessThan(60);
  // A return that came in when all was said, and was said before all of it, or after.
  const back = `UPDATE tributary.room_grants SET until_at = NULL, until_ts = NULL, from_at = now(), from_ts = $2
    WHERE user_id = 'user_bob' AND room_id = $1`;
  await sql(DATABASE, back, ["!group:lab.local", 0]);
  expect(await chats.messages("user_bob", group.id, undefined, 200)).toHaveLength(60);
  await sql(DATABASE, back, ["!group:lab.local", Date.now()]);
  expect(await chats.messages("user_bob", group.id)).toEqual([]);
  const open = "UPDATE tributary.room_grants SET from_at = NULL, from_ts = NULL, until_at = NULL, until_ts = NULL WHERE user_id = 'user_bob' AND room_id = $1";
  await sql(DATABASE, open, ["!group:lab.local"]);
});
