import { describe, expect, test } from "vitest";
import { afterwards, type End } from "../src/policy.js";

const closed = (code: number): End => ({ kind: "closed", code, reason: "" });
const delay = (end: End, failures: number, random: number) => {
  const next = afterwards(end, failures, random);
  if (next.kind !== "retry") throw new Error(next.kind);
  return next;
};

describe("what comes after an end", () => {
  test("backoff is exponential, with full jitter, and bounded", () => {
    const end: End = { kind: "unreachable" };
    expect([0, 1, 2, 6, 7, 1000].map((failures) => delay(end, failures, 1).delay)).toEqual([
      500, 1000, 2000, 30_000, 30_000, 30_000,
    ]);
    expect(delay(end, 9, 0).delay).toBe(0);
    expect(delay(end, 9, 0.5).delay).toBe(15_000);
  });

  test("a refusal that no browser explains may have been the token's fault", () => {
    expect(delay({ kind: "unreachable" }, 0, 0).skipCache).toBe(true);
    expect(delay(closed(1006), 0, 0).skipCache).toBe(false);
  });

  test("an expired token asks for a new one at once, and backs off when that does not help", () => {
    expect(delay(closed(4401), 0, 1)).toMatchObject({ delay: 0, skipCache: true });
    expect(delay(closed(4401), 3, 1)).toMatchObject({ delay: 4000, skipCache: true });
  });

  test("a restart is followed at once, but not by all in the same moment", () => {
    expect(delay(closed(1012), 0, 0).delay).toBe(0);
    expect(delay(closed(1012), 0, 0.999).delay).toBeLessThan(1000);
    expect(delay(closed(1012), 5, 1).delay).toBe(16_000);
  });

  test("who was pushed out by other tabs leaves them alone for a minute at least", () => {
    expect(delay(closed(4429), 0, 0)).toMatchObject({ delay: 60_000, isPatient: true });
    expect(delay(closed(4429), 100, 1).delay).toBe(600_000);
  });

  test("who was too slow comes back", () => {
    expect(delay(closed(4408), 0, 1)).toMatchObject({ delay: 500, isPatient: false });
    expect(delay({ kind: "full" }, 7, 1).delay).toBe(0);
  });

  test("what is malformed stays malformed", () => {
    for (const code of [1008, 1009]) expect(afterwards(closed(code), 0, 0).kind).toBe("incompatible");
  });

  test("the server's Retry-After is heeded", () => {
    expect(delay({ kind: "failed", error: undefined, retryAfter: 7 }, 0, 0).delay).toBe(7000);
    expect(delay({ kind: "failed", error: undefined }, 0, 1).delay).toBe(500);
  });
});
