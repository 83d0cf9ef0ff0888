import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { DATABASE, sql } from "./database.js";

const GRANTS = new URL("../../../contrib/prisma/grants.sql", import.meta.url);

/** A role as grants.sql makes it. */
export interface Reader {
  role: string;
  url: string;
  /** Roles are of the whole cluster, and so stay behind. */
  drop(): Promise<unknown>;
}

/** Makes one, with a name of its own. */
export async function reader(): Promise<Reader> {
  const role = `reader_${randomBytes(6).toString("hex")}`;
  const password = randomBytes(12).toString("hex");
  const script = readFileSync(GRANTS, "utf8");
  await sql(DATABASE, script.replaceAll("tributary_reader", role).replace(":'password'", `'${password}'`));
  const url = new URL(DATABASE);
  url.username = role;
  url.password = password;
  return { role, url: url.href, drop: () => sql(DATABASE, `DROP OWNED BY ${role}; DROP ROLE ${role}`) };
}
