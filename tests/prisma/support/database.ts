import { Client } from "pg";

/** The database with content, as its owner. */
export const DATABASE = given("TRIBUTARY_TEST_DATABASE");

/** What `contract.py prisma` gives. */
export function given(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set: run tests/contract/contract.py prisma`);
  return value;
}

/** The rows of a statement, or of the last of several. */
export async function sql<Row extends object>(url: string, statement: string, values?: unknown[]): Promise<Row[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query(statement, values);
    return rows as Row[];
  } finally {
    await client.end();
  }
}
