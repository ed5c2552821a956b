// Uploads a file into a dataset and reads it back: node main.ts DATASET FILE
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { promisify } from "node:util";

import { type ClientWritableStream, credentials, loadPackageDefinition, Metadata, type ServiceError } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

import type { ProtoGrpcType as AuthTypes } from "./stubs/auth.ts";
import type { ProtoGrpcType as DatasetsTypes } from "./stubs/datasets.ts";
import type { ErrorInfo__Output as ErrorInfo } from "./stubs/google/rpc/ErrorInfo.ts";
import type { RetryInfo__Output as RetryInfo } from "./stubs/google/rpc/RetryInfo.ts";
import type { AuthServiceClient } from "./stubs/phoenix_grpc/v1/AuthService.ts";
import type { DatasetsServiceClient } from "./stubs/phoenix_grpc/v1/DatasetsService.ts";
import type { UploadDatasetRequest } from "./stubs/phoenix_grpc/v1/UploadDatasetRequest.ts";
import type { UploadDatasetResponse__Output as UploadDatasetResponse } from "./stubs/phoenix_grpc/v1/UploadDatasetResponse.ts";
import type { ProtoGrpcType as StatusTypes } from "./stubs/status.ts";

const files = ["phoenix_grpc/v1/auth.proto", "phoenix_grpc/v1/datasets.proto", "google/rpc/status.proto", "google/rpc/error_details.proto"];
// The options are those that the types in stubs/ were made with; json decodes the details of errors.
const options = { longs: Number, enums: String, defaults: true, oneofs: true, json: true };
const definition = loadSync(files, { ...options, includeDirs: ["../protos"] });
const { phoenix_grpc, google } = loadPackageDefinition(definition) as unknown as AuthTypes & DatasetsTypes & StatusTypes;

/** The API key of the environment, or the access token of a new session. */
async function credential(auth: AuthServiceClient): Promise<string> {
  const { PHOENIX_API_KEY, PHOENIX_EMAIL, PHOENIX_PASSWORD } = process.env;
  if (PHOENIX_API_KEY) return PHOENIX_API_KEY;
  const login = promisify(auth.login.bind(auth) as typeof auth.login);
  const tokens = await login({ email: PHOENIX_EMAIL, password: PHOENIX_PASSWORD });
  return tokens!.accessToken!;
}

/** Sends a header, then the file in chunks: the server keeps all of it or nothing. */
async function upload(datasets: DatasetsServiceClient, metadata: Metadata, dataset: string, path: string): Promise<void> {
  const done = await new Promise<UploadDatasetResponse>((resolve, reject) => {
    const call = datasets.uploadDataset(metadata, (error, response) => (error ? reject(error) : resolve(response!)));
    send(call, dataset, path).catch((error) => {
      reject(error);
      call.cancel();
    });
  });
  console.error(`${done.dataset!.name}: ${done.recordCount} records read, ${done.createdCount} created, ${done.updatedCount} updated`);
}

async function send(call: ClientWritableStream<UploadDatasetRequest>, dataset: string, path: string): Promise<void> {
  call.write({ header: { name: dataset, action: "UPLOAD_ACTION_APPEND", format: "UPLOAD_FORMAT_JSONL" } });
  for await (const chunk of createReadStream(path)) {
    if (!call.write({ chunk })) await once(call, "drain");
  }
  call.end();
}

/** Writes the latest version to standard output, one JSON object a line. */
async function download(datasets: DatasetsServiceClient, metadata: Metadata, dataset: string): Promise<void> {
  for await (const message of datasets.downloadDataset({ name: dataset }, metadata)) {
    if (message.chunk) process.stdout.write(message.chunk);
  }
}

/** Prints an error; every refusal of the server carries a reason, some say when to try again. */
function explain(error: ServiceError): void {
  console.error(error.details ?? error.message);
  const [packed] = error.metadata?.get("grpc-status-details-bin") ?? [];
  if (!packed) return;
  const details = google.rpc.Status.deserialize(packed as Buffer).details as unknown as (ErrorInfo | RetryInfo)[];
  for (const detail of details) {
    if ("reason" in detail) console.error("reason:", detail.reason);
    if ("retryDelay" in detail) console.error("retry in:", detail.retryDelay!.seconds, "s");
  }
}

const [dataset, path] = process.argv.slice(2);
if (!dataset || !path) {
  console.error("usage: node main.ts DATASET FILE");
  process.exit(2);
}
const address = process.env.PHOENIX_GRPC_ADDRESS ?? "127.0.0.1:50051";
const auth = new phoenix_grpc.v1.AuthService(address, credentials.createInsecure());
const datasets = new phoenix_grpc.v1.DatasetsService(address, credentials.createInsecure());
try {
  const metadata = new Metadata();
  metadata.set("authorization", `Bearer ${await credential(auth)}`);
  await upload(datasets, metadata, dataset, path);
  await download(datasets, metadata, dataset);
} catch (error) {
  explain(error as ServiceError);
  process.exitCode = 1;
} finally {
  auth.close();
  datasets.close();
}
