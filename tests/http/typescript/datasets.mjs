/** Phoenix's own TypeScript client, unchanged, through all its dataset calls. Arguments: the server's URL, an API key. */

import assert from "node:assert/strict";

import { createClient } from "@arizeai/phoenix-client";
import * as datasets from "@arizeai/phoenix-client/datasets";

const [baseUrl, key] = process.argv.slice(2);
const client = createClient({ options: { baseUrl, headers: { Authorization: `Bearer ${key}` } } });
const example = (q, more = {}) => ({ input: { q }, output: { a: q }, metadata: {}, ...more });

const { datasetId } = await datasets.createDataset({
  client, name: "ts", description: "made here", examples: [example(1, { id: "ext-1", splits: ["train"] }), example(2)],
});
const dataset = { datasetId };

const made = await datasets.getDataset({ client, dataset: { datasetName: "ts" } });
assert.equal(made.id, datasetId);
assert.equal(made.description, "made here");
assert.deepEqual(made.examples.map(({ id, input }) => [id === "ext-1", input]), [[true, { q: 1 }], [false, { q: 2 }]]);
assert.ok(made.examples[0].updatedAt instanceof Date);

const appended = await datasets.appendDatasetExamples({ client, dataset, examples: [example(1, { id: "ext-1" }), example(3)] });
assert.equal(appended.datasetId, datasetId);
assert.notEqual(appended.versionId, made.versionId);

const info = await datasets.getDatasetInfo({ client, dataset: { datasetName: "ts" } });
assert.deepEqual(info, { id: datasetId, name: "ts", description: "made here", metadata: {} });

const old = await datasets.getDatasetExamples({ client, dataset: { datasetId, versionId: made.versionId } });
assert.equal(old.examples.length, 2);

// The client sends splits as a list of nulls when they are not meant: memberships stay.
const train = await datasets.getDatasetExamples({ client, dataset: { datasetId, splits: ["train"] } });
assert.deepEqual(train.examples.map(({ id }) => id), ["ext-1"]);

await assert.rejects(datasets.getDataset({ client, dataset: { datasetName: "absent" } }));
const stranger = createClient({ options: { baseUrl, headers: { Authorization: "Bearer nonsense" } } });
await assert.rejects(datasets.createDataset({ client: stranger, name: "x", description: "", examples: [] }), /401/);

console.log("all calls work");
