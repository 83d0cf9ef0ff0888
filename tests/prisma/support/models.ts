/** A model of a schema file, as far as it is columns. */
export interface Model {
  name: string;
  table: string;
  fields: Field[];
  /** Columns that are unique together: of `@id`, `@@id`, `@unique`, `@@unique`. */
  keys: string[][];
  relations: Relation[];
}

/** A column. */
export interface Field {
  name: string;
  column: string;
  /** As Postgres calls it. */
  type: string;
  isNullable: boolean;
}

/** Columns that lead to those of another model. */
export interface Relation {
  columns: string[];
  to: string;
  references: string[];
}

const TYPES: Record<string, string> = { String: "text", Int: "int4", BigInt: "int8", Boolean: "bool", Json: "jsonb" };
const NATIVE: Record<string, string> = { Uuid: "uuid", "Timestamptz(6)": "timestamptz" };

/** Reads the models of a schema file. */
export function models(text: string): Model[] {
  const blocks = [...text.matchAll(/^model (\w+) \{\n(.*?)^\}/gms)];
  const names = new Set(blocks.map(([, name]) => name));
  return blocks.map(([, name = "", body = ""]) => {
    const lines = body.split("\n").map((line) => line.trim()).filter((line) => line && !line.startsWith("//"));
    const fields = lines.filter((line) => !line.startsWith("@@")).map((line) => line.split(/\s+/));
    const scalars = fields.filter(([, type = ""]) => !names.has(type.replace(/[?[\]]/g, "")));
    const columns = new Map(scalars.map((words) => [words[0] ?? "", /@map\("(\w+)"\)/.exec(words.join(" "))?.[1] ?? words[0] ?? ""]));
    const inTable = (list: string) => list.split(",").map((field) => columns.get(field.trim()) ?? "");
    const single = scalars.filter((words) => words.some((word) => word === "@id" || word === "@unique"));
    return {
      name,
      table: /@@map\("(\w+)"\)/.exec(body)?.[1] ?? "",
      fields: scalars.map((words) => field(words, columns)),
      keys: [
        ...single.map(([name = ""]) => inTable(name)),
        ...[...body.matchAll(/@@(?:id|unique)\(\[(.*?)\]/g)].map(([, list = ""]) => inTable(list)),
      ],
      relations: lines.flatMap((line) => {
        const found = /^\w+\s+(\w+)\??\s+@relation\(.*?fields: \[(.*?)\], references: \[(.*?)\]/.exec(line);
        return found ? [{ to: found[1] ?? "", columns: inTable(found[2] ?? ""), references: (found[3] ?? "").split(", ") }] : [];
      }),
    };
  });
}

function field(words: string[], columns: Map<string, string>): Field {
  const [name = "", given = ""] = words;
  const native = /@db\.(\S+)/.exec(words.join(" "))?.[1];
  const type = native === undefined ? TYPES[given.replace("?", "")] : NATIVE[native];
  if (type === undefined) throw new Error(`${name} has a type that is not known here: ${words.join(" ")}`);
  return { name, column: columns.get(name) ?? "", type, isNullable: given.endsWith("?") };
}
