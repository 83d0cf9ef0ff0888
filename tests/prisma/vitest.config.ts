import { defineConfig } from "vitest/config";

/** `contract.py prisma` starts the program with content, and says where its database is. */
export default defineConfig({
  test: {
    include: ["*.test.ts"],
    fileParallelism: false,
    // Seconds by itself; the machine may have much else to do.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    // The examples' prisma.config.ts wants it.
    env: { DATABASE_URL: process.env["TRIBUTARY_TEST_DATABASE"] ?? "" },
  },
});
