import type { AllowedFields, AllowList, Message, Properties } from "../types/index";
import type { Emit } from "./transport";

const own = <T>(values: Record<string, T>, name = ""): T | undefined =>
  Object.prototype.hasOwnProperty.call(values, name) ? values[name] : undefined;

/**
 * Leaves at home what the site's plan does not name or no granted purpose covers; the names go along, to be counted.
 * A plan may be older than the gateway's, which decides all the same. Without one everything passes.
 */
export function openPlan(plan: AllowList | undefined, emit: Emit): (message: Message) => Message | undefined {
  if (!plan) return (message) => message;
  return (message) => {
    const { type, event, messageId, context, properties, traits } = message;
    const { consent } = context;
    const carried = consent.categoryPreferences as Record<string, boolean>;
    const granted = plan.purposes.reduce((sum, purpose, place) => sum | (+!!carried[purpose] << place), 1);
    const lost = new Set(context.dropped as string[] | undefined);

    const pick = (values: Properties, rules: AllowedFields, around: number, path: string): Properties => {
      const kept: Properties = {};
      for (const name in values) {
        const value = values[name];
        const [purposes, inside] = [own(rules, name)].flat() as [number?, AllowedFields?];
        const covered = purposes || around;
        const deeper = (each: typeof value) =>
          each && typeof each === "object" ? pick(each as Properties, inside!, covered, `${path}${name}.`) : each;
        if (purposes === undefined || !(covered & granted)) lost.add(path + name);
        else kept[name] = !inside ? value : Array.isArray(value) ? value.map(deeper) : deeper(value);
      }
      return kept;
    };

    // A word on consent is never held back, and needs nothing beside it.
    if (event === "Consent Preference Updated") return { ...message, context: { consent } };
    const known = own(plan.events, type === "track" ? event : type);
    const [purposes, fields] = known ?? plan.default;
    const reason = !known && plan.strict && type === "track" ? "plan" : purposes & granted ? "" : "consent";
    if (reason) return void emit("drop", { reason, count: 1, name: event ?? type, messageId });
    const kept = { ...message, context: { ...pick(context, plan.context, purposes, "context."), consent } };
    if (properties) kept.properties = pick(properties, { ...plan.fields, ...fields }, purposes, "properties.");
    if (traits) kept.traits = pick(traits, plan.traits, purposes, "traits.");
    if (lost.size) (kept.context as Properties).dropped = [...lost].slice(0, 100);
    return kept;
  };
}
