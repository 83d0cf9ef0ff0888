import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    // Seconds by itself; the machine may have much else to do.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    include: ["test/*.test.{ts,tsx}"],
    // Node 20 has it, and hides it.
    execArgv: ["--experimental-websocket"],
    restoreMocks: true,
    unstubGlobals: true,
  },
});
