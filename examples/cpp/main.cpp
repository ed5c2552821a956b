// Uploads a file into a dataset and reads it back: example DATASET FILE
#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>
#include <grpcpp/grpcpp.h>
#include <phoenix_grpc/v1/auth.grpc.pb.h>
#include <phoenix_grpc/v1/datasets.grpc.pb.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>

namespace pb = phoenix_grpc::v1;

constexpr std::size_t kChunkSize = 64 * 1024;

std::string Environment(const char* name, const std::string& otherwise = "") {
  const char* value = std::getenv(name);
  return value ? value : otherwise;
}

// The API key of the environment, or the access token of a new session.
grpc::Status Credential(const std::shared_ptr<grpc::Channel>& channel, std::string& token) {
  token = Environment("PHOENIX_API_KEY");
  if (!token.empty()) return grpc::Status::OK;
  grpc::ClientContext context;
  pb::LoginRequest request;
  request.set_email(Environment("PHOENIX_EMAIL"));
  request.set_password(Environment("PHOENIX_PASSWORD"));
  pb::TokenPair tokens;
  grpc::Status status = pb::AuthService::NewStub(channel)->Login(&context, request, &tokens);
  token = tokens.access_token();
  return status;
}

// Sends a header, then the file in chunks: the server keeps all of it or nothing.
grpc::Status Upload(pb::DatasetsService::Stub& datasets, const std::string& token, const std::string& dataset,
                    std::ifstream& file) {
  grpc::ClientContext context;
  context.AddMetadata("authorization", "Bearer " + token);
  pb::UploadDatasetResponse done;
  auto writer = datasets.UploadDataset(&context, &done);

  pb::UploadDatasetRequest message;
  pb::UploadDatasetHeader* header = message.mutable_header();
  header->set_name(dataset);
  header->set_action(pb::UPLOAD_ACTION_APPEND);
  header->set_format(pb::UPLOAD_FORMAT_JSONL);
  bool open = writer->Write(message);
  std::string chunk(kChunkSize, '\0');
  while (open && (file.read(chunk.data(), chunk.size()), file.gcount() > 0)) {
    message.set_chunk(chunk.data(), file.gcount());
    open = writer->Write(message);  // false: the server has refused; Finish says why
  }
  writer->WritesDone();
  grpc::Status status = writer->Finish();
  if (status.ok()) {
    std::cerr << done.dataset().name() << ": " << done.record_count() << " records read, " << done.created_count()
              << " created, " << done.updated_count() << " updated\n";
  }
  return status;
}

// Writes the latest version to standard output, one JSON object a line.
grpc::Status Download(pb::DatasetsService::Stub& datasets, const std::string& token, const std::string& dataset) {
  grpc::ClientContext context;
  context.AddMetadata("authorization", "Bearer " + token);
  pb::DownloadDatasetRequest request;
  request.set_name(dataset);
  auto reader = datasets.DownloadDataset(&context, request);
  pb::DownloadDatasetResponse message;
  while (reader->Read(&message)) std::cout << message.chunk();
  return reader->Finish();
}

// Prints an error; every refusal of the server carries a reason, some say when to try again.
void Explain(const grpc::Status& status) {
  std::cerr << status.error_message() << "\n";
  google::rpc::Status rich;
  rich.ParseFromString(status.error_details());
  google::rpc::ErrorInfo info;
  google::rpc::RetryInfo retry;
  for (const auto& detail : rich.details()) {
    if (detail.UnpackTo(&info)) std::cerr << "reason: " << info.reason() << "\n";
    if (detail.UnpackTo(&retry)) std::cerr << "retry in: " << retry.retry_delay().seconds() << " s\n";
  }
}

grpc::Status Run(const std::string& dataset, std::ifstream& file) {
  auto channel = grpc::CreateChannel(Environment("PHOENIX_GRPC_ADDRESS", "127.0.0.1:50051"),
                                     grpc::InsecureChannelCredentials());
  std::string token;
  if (grpc::Status status = Credential(channel, token); !status.ok()) return status;
  auto datasets = pb::DatasetsService::NewStub(channel);
  if (grpc::Status status = Upload(*datasets, token, dataset, file); !status.ok()) return status;
  return Download(*datasets, token, dataset);
}

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: example DATASET FILE\n";
    return 2;
  }
  std::ifstream file(argv[2], std::ios::binary);
  if (!file) {
    std::cerr << argv[2] << " cannot be read\n";
    return 1;
  }
  grpc::Status status = Run(argv[1], file);
  if (!status.ok()) Explain(status);
  return status.ok() ? 0 : 1;
}
