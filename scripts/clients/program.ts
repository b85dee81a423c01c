// What a program in TypeScript does with the types that openapi-typescript makes of docs/openapi.json.
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

declare const process: { argv: string[] };

const [, , baseUrl = "", password = ""] = process.argv;

function answered<T>(answer: { data?: T; error?: components["schemas"]["Problem"] }): T {
  if (answer.data === undefined) throw new Error(answer.error?.detail ?? "the answer has no body");
  return answer.data;
}

const anybody = createClient<paths>({ baseUrl });
const signedIn = answered(await anybody.POST("/api/v1/auth/login", { body: { username: "admin", password } }));
const api = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${signedIn.access_token}` } });

const automation = answered(
  await api.POST("/api/v1/automations", {
    body: {
      name: "Made in TypeScript",
      script_path: "main.py",
      overlap: "skip",
      requires: ["typescript"],
      rate_limit: { max: 5, per_s: 1 },
      retry_policy: { max_attempts: 3, on: ["PORTAL_DOWN"] },
    },
  }),
);
const job = answered(
  await api.POST("/api/v1/automations/{id}/execute", {
    params: { path: { id: automation.id }, query: { priority: 9 }, header: { "Idempotency-Key": "typescript" } },
    body: { cnpj: "12345678000195" },
  }),
);
const waiting: components["schemas"]["JobStatus"] = "pending";
const listed = answered(
  await api.GET("/api/v1/jobs", {
    params: { query: { status: [waiting, "failed"], automation_id: automation.id, created_from: "2026-01-01", limit: 10 } },
  }),
);
if (job.priority !== 9 || !listed.some((one) => one.id === job.id && one.status === waiting)) {
  throw new Error(`the job is not in the list: ${JSON.stringify(listed)}`);
}

// Files go as they are.
const asItIs = (body: unknown) => body as string;
const document = "automations:\n  Made in TypeScript:\n    Every weekday:\n      cron_expression: 30 7 * * 1-5\n";
const imported = answered(
  await api.POST("/api/v1/schedules/import", {
    body: document,
    bodySerializer: asItIs,
    headers: { "Content-Type": "application/yaml" },
  }),
);
const calendar = answered(await api.POST("/api/v1/calendars", { body: { name: "Made in TypeScript" } }));
const days = answered(
  await api.POST("/api/v1/calendars/{id}/import", {
    params: { path: { id: calendar.id } },
    body: "date,name\n2027-01-25,Aniversário de São Paulo\n",
    bodySerializer: asItIs,
    headers: { "Content-Type": "text/csv" },
  }),
);
if (imported.created[0]?.name !== "Every weekday" || days.added !== 1) {
  throw new Error(`not all was imported: ${JSON.stringify([imported, days])}`);
}

const refused = await api.POST("/api/v1/automations", { body: { name: " ", script_path: "main.py" } });
if (refused.error?.errors?.[0]?.field !== "name") throw new Error(`no field is named: ${JSON.stringify(refused.error)}`);

// @ts-expect-error a status that does not exist does not compile
const nowhere: components["schemas"]["JobStatus"] = "nowhere";
// @ts-expect-error nor does a body without what it must have
void ((): unknown => api.POST("/api/v1/jobs", { body: { parameters: {} } }));
console.log(`a job from TypeScript: ${job.id}, not ${nowhere}`);
