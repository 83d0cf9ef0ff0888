import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { DATABASE, sql } from "./support/database.js";
import { models } from "./support/models.js";

const FILE = new URL("../../contrib/prisma/schema.prisma", import.meta.url);
const all = models(readFileSync(FILE, "utf8"));

interface Column {
  table: string;
  column: string;
  type: string;
  isNullable: boolean;
}

const columns = () =>
  sql<Column>(
    DATABASE,
    `SELECT table_name AS "table", column_name AS "column", udt_name AS type, is_nullable = 'YES' AS "isNullable"
     FROM information_schema.columns WHERE table_schema = 'tributary'`,
  );

test("the models of the contract are there", () => {
  const names = all.map(({ name }) => name);
  expect(names).toEqual(
    expect.arrayContaining(["MessengerConnection", "Conversation", "ConversationAccess", "Participant", "Message"]),
  );
  const message = all.find(({ name }) => name === "Message");
  const fields = message?.fields.map(({ name }) => name);
  expect(fields).toEqual(expect.arrayContaining(["senderId", "metadata", "content", "matrixEventId", "formattedBody"]));
});

test("every field is a column of that type, and null where that may be", async () => {
  const there = await columns();
  const described = all.flatMap(({ table, fields }) =>
    fields.map(({ column, type, isNullable }) => ({ table, column, type, isNullable })),
  );
  expect(described.length).toBeGreaterThan(60);
  const found = described.map(({ table, column }) => there.find((it) => it.table === table && it.column === column));
  expect(described).toEqual(found);
});

test("fields are the columns' names in camel case, but the ids that are Matrix's", () => {
  const camel = (column: string) => column.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
  const others = all.flatMap(({ name: model, fields }) =>
    fields.filter(({ name, column }) => name !== camel(column)).map(({ name }) => `${model}.${name}`),
  );
  expect(others).toEqual(["Message.matrixEventId"]);
});

test("what is unique to Prisma is unique to Postgres", async () => {
  const unique = await sql<{ table: string; columns: string[] }>(
    DATABASE,
    `SELECT c.relname AS "table", array_agg(a.attname::text ORDER BY k.nth) AS columns
     FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
     CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(attnum, nth)
     JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
     WHERE i.indisunique AND i.indpred IS NULL AND c.relnamespace = 'tributary'::regnamespace
     GROUP BY c.relname, i.indexrelid`,
  );
  for (const { table, keys } of all) {
    expect(keys.length, table).toBeGreaterThan(0);
    for (const key of keys) expect(unique).toContainEqual({ table, columns: key });
  }
});

test("relations lead to what is unique", () => {
  for (const { name, relations } of all) {
    for (const { to, references } of relations) {
      const target = all.find((model) => model.name === to);
      const columns = references.map((field) => target?.fields.find((it) => it.name === field)?.column);
      expect(target?.keys, `${name} to ${to}`).toContainEqual(columns);
    }
  }
  expect(all.flatMap(({ relations }) => relations).length).toBeGreaterThan(8);
});
