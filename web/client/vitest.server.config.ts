import { defineConfig } from "vitest/config";

/**
 * Against the program itself: `TRIBUTARY_TEST_POSTGRES` says where it may make databases, and
 * `TRIBUTARY_TEST_STACK` where the Synapse and the bridge of `scripts/test` are.
 */
export default defineConfig({
  test: {
    include: ["test/server/*.test.ts"],
    fileParallelism: false,
    // Seconds by itself; the machine may have much else to do.
    testTimeout: 240_000,
    hookTimeout: 240_000,
  },
});
