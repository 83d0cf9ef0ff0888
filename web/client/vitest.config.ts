import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/*.test.{ts,tsx}"],
    // Node 20 has it, and hides it.
    execArgv: ["--experimental-websocket"],
    restoreMocks: true,
    unstubGlobals: true,
  },
});
