import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DATABASE, sql } from "./support/database.js";
import { models } from "./support/models.js";
import { reader, type Reader } from "./support/reader.js";

const FILE = new URL("../../contrib/prisma/schema.prisma", import.meta.url);
let it: Reader;

beforeAll(async () => {
  it = await reader();
});
afterAll(() => it.drop());

test("the role may read what the models name, and no other column", async () => {
  const granted = await sql<{ table: string; column: string; privilege: string }>(
    DATABASE,
    `SELECT table_name AS "table", column_name AS "column", privilege_type AS privilege
     FROM information_schema.column_privileges WHERE grantee = $1 ORDER BY 1, 2`,
    [it.role],
  );
  const named = models(readFileSync(FILE, "utf8")).flatMap(({ table, fields }) =>
    fields.map(({ column }) => ({ table, column, privilege: "SELECT" })),
  );
  const key = ({ table, column }: { table: string; column: string }) => `${table}.${column}`;
  named.sort((a, b) => (key(a) < key(b) ? -1 : 1));
  granted.sort((a, b) => (key(a) < key(b) ? -1 : 1));
  expect(granted).toEqual(named);
});

test("it sees rows, and neither codes nor what is nobody's business", async () => {
  expect(await sql(it.url, "SELECT id, user_id FROM tributary.messenger_connections")).not.toEqual([]);
  for (const refused of [
    "SELECT link_code_hash FROM tributary.messenger_connections",
    "SELECT * FROM tributary.messages",
    "SELECT * FROM tributary.jobs",
    "SELECT * FROM tributary.dead_letters",
    "UPDATE tributary.messages SET body = ''",
    "DELETE FROM tributary.conversation_access",
    "TRUNCATE tributary.media",
    "CREATE TABLE tributary.more ()",
  ]) {
    await expect(sql(it.url, refused), refused).rejects.toThrow(/permission denied|read-only/);
  }
});

test("row level security stays on", async () => {
  const off = await sql(
    DATABASE,
    `SELECT relname FROM pg_class
     WHERE relnamespace = 'tributary'::regnamespace AND relkind = 'r' AND NOT relrowsecurity`,
  );
  expect(off).toEqual([]);
});
