import { expect, test } from "vitest";
import config from "./build/app/prisma.config";
import { DATABASE } from "./support/database.js";
import { Engine } from "./support/engine.js";

/** A web app with a table of its own, in `public` of the same database. */
const APP = `
datasource db {
  provider = "postgresql"
}

model Note {
  id     Int    @id @default(autoincrement())
  userId String
  text   String
}
`;
const NOTHING = "-- This is an empty migration.";
const external = config.tables?.external ?? [];

test("a web app's migrations and Tributary's tables do not see each other", async () => {
  const app = await Engine.open(DATABASE, APP, external);
  const script = await app.next();
  expect(script).toContain('CREATE TABLE "Note"');
  expect(script).not.toContain("tributary");
  expect(script).not.toContain("DROP");
  const migrations = [{ name: "20261121000000_notes", script }];
  expect(await app.apply(migrations)).toEqual(["20261121000000_notes"]);
  // Neither drift, which would reset the database, nor anything left to do.
  expect(await app.drift(migrations)).toBe(NOTHING);
  expect(await app.next()).toBe(NOTHING);

  // That is the setting's doing, and nothing else of Tributary's is in the way.
  const careless = await Engine.open(DATABASE, APP, []);
  expect(await careless.next()).toBe('-- DropTable\nDROP TABLE "__diesel_schema_migrations";');
  expect(await careless.drift(migrations)).toContain("__diesel_schema_migrations");

  const pulled = await app.pull();
  expect(pulled).toContain("model Note");
  expect(pulled).not.toMatch(/messenger|conversation|participant/i);
  // It names the list of migrations, which changes nothing.
  expect(await (await Engine.open(DATABASE, pulled, external)).next()).toBe(NOTHING);
});
