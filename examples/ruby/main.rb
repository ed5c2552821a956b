# Uploads a file into a dataset and reads it back: ruby main.rb DATASET FILE
$LOAD_PATH.unshift File.join(__dir__, "stubs")

require "google/protobuf/well_known_types" # Any#unpack
require "google/rpc/error_details_pb"
require "grpc"
require "phoenix_grpc/v1/auth_services_pb"
require "phoenix_grpc/v1/datasets_services_pb"

include PhoenixGrpc::V1

CHUNK_SIZE = 64 * 1024
DETAILS = [Google::Rpc::ErrorInfo, Google::Rpc::RetryInfo].freeze

# The API key of the environment, or the access token of a new session.
def credential(auth)
  ENV["PHOENIX_API_KEY"] ||
    auth.login(LoginRequest.new(email: ENV["PHOENIX_EMAIL"], password: ENV["PHOENIX_PASSWORD"])).access_token
end

# Sends a header, then the file in chunks: the server keeps all of it or nothing.
def upload(datasets, dataset, path, metadata)
  messages = Enumerator.new do |out|
    header = UploadDatasetHeader.new(name: dataset, action: :UPLOAD_ACTION_APPEND, format: :UPLOAD_FORMAT_JSONL)
    out << UploadDatasetRequest.new(header: header)
    File.open(path, "rb") do |file|
      while (chunk = file.read(CHUNK_SIZE))
        out << UploadDatasetRequest.new(chunk: chunk)
      end
    end
  end
  done = datasets.upload_dataset(messages, metadata: metadata)
  warn "#{done.dataset.name}: #{done.record_count} records read, #{done.created_count} created, #{done.updated_count} updated"
end

# Writes the latest version to standard output, one JSON object a line.
def download(datasets, dataset, metadata)
  datasets.download_dataset(DownloadDatasetRequest.new(name: dataset), metadata: metadata).each do |message|
    $stdout.write(message.chunk)
  end
end

# Prints an error; every refusal of the server carries a reason, some say when to try again.
def explain(error)
  warn error.details
  error.to_rpc_status&.details&.each do |packed|
    case detail = DETAILS.filter_map { |type| packed.unpack(type) }.first
    when Google::Rpc::ErrorInfo then warn "reason: #{detail.reason}"
    when Google::Rpc::RetryInfo then warn "retry in: #{detail.retry_delay.seconds} s"
    end
  end
end

abort "usage: ruby main.rb DATASET FILE" unless ARGV.size == 2
dataset, path = ARGV
address = ENV.fetch("PHOENIX_GRPC_ADDRESS", "127.0.0.1:50051")
auth = AuthService::Stub.new(address, :this_channel_is_insecure)
datasets = DatasetsService::Stub.new(address, :this_channel_is_insecure)
begin
  metadata = { "authorization" => "Bearer #{credential(auth)}" }
  upload(datasets, dataset, path, metadata)
  download(datasets, dataset, metadata)
rescue GRPC::BadStatus => e
  explain(e)
  exit 1
rescue SystemCallError => e
  abort e.message
end
