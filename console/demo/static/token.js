// The visitor's own key to GraphQL. A real site signs it on its own server, for the visitor of the session.

export async function fetchToken(anonymousId) {
  const response = await fetch("/demo/token", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ anonymousId }),
  });
  if (!response.ok) throw new Error(`no token: ${response.status}`);
  return (await response.json()).token;
}
