import { defineConfig } from "vitest/config";

/** Against the program itself: `TRIBUTARY_TEST_POSTGRES` says where it may make databases. */
export default defineConfig({
  test: {
    include: ["test/server/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
