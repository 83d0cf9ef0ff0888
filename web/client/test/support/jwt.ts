const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");

let made = 0;

/** A token like Clerk's, signed by nobody; each is another one. */
export function jwt(lifetime = 60, now = Date.now()): string {
  const iat = Math.floor(now / 1000);
  made += 1;
  return `${part({ alg: "RS256" })}.${part({ sub: "user_a", sid: "sess_a", iat, exp: iat + lifetime, jti: made })}.c2ln`;
}

/** What a token says of itself. */
export function claims(token: string): { exp: number; jti: number } {
  return JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
}
