// What a frontend would write on the types that were generated: compiled, never run.
import type { PersonQuery, PersonQueryVariables, SaveMutation, WatchSubscription } from "./generated.js";

export const variables: PersonQueryVariables = { id: "u-1" };
// @ts-expect-error an id is text
export const wrong: PersonQueryVariables = { id: 7 };

export function keys(answer: PersonQuery): string[] {
  // @ts-expect-error a profile may be null
  answer.profile.id;
  return answer.profile?.segments.map((each) => each.segment.key) ?? [];
}

export function cheapest(answer: PersonQuery): number | null | undefined {
  return answer.profile?.recommendations.nodes[0]?.item.price;
}

export function problem(answer: SaveMutation): string | null {
  const saved = answer.saveSegment;
  switch (saved.__typename) {
    case "SegmentPayload":
      return null;
    case "VersionConflict":
      return `${saved.code} at ${saved.currentVersion}`;
    case "InvalidInput":
      return `${saved.path.join(".")}: ${saved.message}`;
    default:
      return saved.__typename;
  }
}

export function isNews(change: WatchSubscription["profileChanges"], known: number): boolean {
  // @ts-expect-error there is no such kind
  if (change.kind === "NOTHING") return false;
  return change.kind === "RESYNC" || (change.profileVersion ?? 0) > known;
}
