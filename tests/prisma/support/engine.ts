import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import * as glue from "@prisma/schema-engine-wasm/schema_engine_bg";
import { PrismaPg } from "@prisma/adapter-pg";
import { bindMigrationAwareSqlAdapterFactory } from "@prisma/driver-adapter-utils";
// @ts-expect-error it has no types
import Result from "pg/lib/result.js";
import { sql } from "./database.js";

/** Postgres's internal "char", of which its catalogs have columns, and which the adapter does not know. */
const CHAR = 18;
const TEXT = 25;
const { addFields } = Result.prototype;
Result.prototype.addFields = function (fields: { dataTypeID: number }[]) {
  for (const field of fields) if (field.dataTypeID === CHAR) field.dataTypeID = TEXT;
  return addFields.call(this, fields);
};

/** What `tables.external` of a prisma.config.ts is to the engine. */
export interface Filters {
  externalTables: string[];
  externalEnums: string[];
}

/** A migration of a web app. */
export interface Migration {
  name: string;
  script: string;
}

/** The engine, once for all. */
const loaded = (async () => {
  const wasm = new URL("schema_engine_bg.wasm", import.meta.resolve("@prisma/schema-engine-wasm/schema_engine_bg"));
  const imports = { "./schema_engine_bg.js": glue as unknown as WebAssembly.ModuleImports };
  const { instance } = await WebAssembly.instantiate(readFileSync(wasm), imports);
  (glue as any).__wbg_set_wasm(instance.exports);
  (instance.exports["__wbindgen_start"] as () => void)();
})();

/** With a shadow database that can be dropped while somebody is still connected to it. */
class Adapter extends PrismaPg {
  readonly #url: string;

  constructor(url: string) {
    super({ connectionString: url });
    this.#url = url;
  }

  override async connectToShadowDb() {
    const name = `shadow_${randomBytes(8).toString("hex")}`;
    await sql(this.#url, `CREATE DATABASE ${name} TEMPLATE template0`);
    const url = new URL(this.#url);
    url.pathname = name;
    const shadow = await new PrismaPg({ connectionString: url.href }).connect();
    const dispose = shadow.dispose.bind(shadow);
    shadow.dispose = async () => {
      await dispose();
      await sql(this.#url, `DROP DATABASE ${name} WITH (FORCE)`);
    };
    return shadow;
  }
}

/** What `prisma migrate dev` and `prisma db pull` ask: Prisma's own engine, in the form that needs no download. */
export class Engine {
  readonly #engine: glue.SchemaEngine;
  readonly #schema: { files: { path: string; content: string }[] };
  readonly #filters: Filters;

  private constructor(engine: glue.SchemaEngine, schema: string, filters: Filters) {
    this.#engine = engine;
    this.#schema = { files: [{ path: "schema.prisma", content: schema }] };
    this.#filters = filters;
  }

  static async open(url: string, schema: string, externalTables: string[]): Promise<Engine> {
    await loaded;
    const adapter = bindMigrationAwareSqlAdapterFactory(new Adapter(url));
    const engine = await glue.SchemaEngine.new({ datamodels: [["schema.prisma", schema]] }, () => undefined, adapter);
    return new Engine(engine, schema, { externalTables, externalEnums: [] });
  }

  /** What would turn the database into the schema: `migrate dev` makes its next migration of that. */
  next(): Promise<string> {
    return this.#diff({ tag: "schemaDatasource", ...this.#here() }, { tag: "schemaDatamodel", ...this.#schema });
  }

  /** What the database has beyond the migrations: where that is anything, `migrate dev` offers to reset it. */
  drift(migrations: Migration[]): Promise<string> {
    return this.#diff({ tag: "migrations", ...list(migrations) }, { tag: "schemaDatasource", ...this.#here() });
  }

  /** Applies migrations, as `migrate deploy` does. */
  async apply(migrations: Migration[]): Promise<string[]> {
    const applied = await this.#engine.applyMigrations({ migrationsList: list(migrations), filters: this.#filters });
    return applied.appliedMigrationNames;
  }

  async #diff(from: glue.DiffTarget, to: glue.DiffTarget): Promise<string> {
    const params = { from, to, script: true, shadowDatabaseUrl: null, exitCode: null, filters: this.#filters };
    return (await this.#engine.diff(params)).stdout?.trim() ?? "";
  }

  #here() {
    return { ...this.#schema, configDir: "/" };
  }

  /** What `db pull` writes. */
  async pull(): Promise<string> {
    const pulled = await this.#engine.introspect({
      schema: this.#schema,
      baseDirectoryPath: "/",
      force: false,
      compositeTypeDepth: 0,
      namespaces: null,
    });
    return pulled.schema.files.map(({ content }) => content).join("\n");
  }
}

function list(migrations: Migration[]) {
  return {
    baseDir: "/migrations",
    lockfile: { path: "migration_lock.toml", content: 'provider = "postgresql"\n' },
    shadowDbInitScript: "",
    migrationDirectories: migrations.map(({ name, script }) => ({
      path: name,
      migrationFile: { path: "migration.sql", content: { tag: "ok" as const, value: script } },
    })),
  };
}
