import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.github.phoenix_grpc.v1.AuthServiceGrpc;
import io.github.phoenix_grpc.v1.DatasetsServiceGrpc;
import io.github.phoenix_grpc.v1.DatasetsServiceGrpc.DatasetsServiceBlockingV2Stub;
import io.github.phoenix_grpc.v1.DownloadDatasetRequest;
import io.github.phoenix_grpc.v1.LoginRequest;
import io.github.phoenix_grpc.v1.UploadAction;
import io.github.phoenix_grpc.v1.UploadDatasetHeader;
import io.github.phoenix_grpc.v1.UploadDatasetRequest;
import io.github.phoenix_grpc.v1.UploadFormat;
import io.grpc.Channel;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.Metadata;
import io.grpc.StatusException;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.MetadataUtils;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;

/** Uploads a file into a dataset and reads it back: Example DATASET FILE. */
public class Example {
  private static final int CHUNK_SIZE = 64 * 1024;
  private static final Metadata.Key<String> AUTHORIZATION =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

  public static void main(String[] args) throws Exception {
    if (args.length != 2) {
      System.err.println("usage: Example DATASET FILE");
      System.exit(2);
    }
    String address = System.getenv().getOrDefault("PHOENIX_GRPC_ADDRESS", "127.0.0.1:50051");
    var channel = Grpc.newChannelBuilder(address, InsecureChannelCredentials.create()).build();
    try {
      var metadata = new Metadata();
      metadata.put(AUTHORIZATION, "Bearer " + credential(channel));
      var datasets =
          DatasetsServiceGrpc.newBlockingV2Stub(channel)
              .withInterceptors(MetadataUtils.newAttachHeadersInterceptor(metadata));
      upload(datasets, args[0], Path.of(args[1]));
      download(datasets, args[0]);
    } catch (StatusException error) {
      explain(error);
      System.exit(1);
    } finally {
      channel.shutdownNow();
    }
  }

  /** The API key of the environment, or the access token of a new session. */
  private static String credential(Channel channel) throws StatusException {
    var environment = System.getenv();
    if (environment.containsKey("PHOENIX_API_KEY")) {
      return environment.get("PHOENIX_API_KEY");
    }
    var request =
        LoginRequest.newBuilder()
            .setEmail(environment.getOrDefault("PHOENIX_EMAIL", ""))
            .setPassword(environment.getOrDefault("PHOENIX_PASSWORD", ""))
            .build();
    return AuthServiceGrpc.newBlockingV2Stub(channel).login(request).getAccessToken();
  }

  /** Sends a header, then the file in chunks: the server keeps all of it or nothing. */
  private static void upload(DatasetsServiceBlockingV2Stub datasets, String dataset, Path path)
      throws IOException, InterruptedException, StatusException {
    try (InputStream file = Files.newInputStream(path)) {
      var call = datasets.uploadDataset();
      var header =
          UploadDatasetHeader.newBuilder()
              .setName(dataset)
              .setAction(UploadAction.UPLOAD_ACTION_APPEND)
              .setFormat(UploadFormat.UPLOAD_FORMAT_JSONL);
      call.write(UploadDatasetRequest.newBuilder().setHeader(header).build());
      byte[] chunk;
      while ((chunk = file.readNBytes(CHUNK_SIZE)).length > 0) {
        call.write(UploadDatasetRequest.newBuilder().setChunk(ByteString.copyFrom(chunk)).build());
      }
      call.halfClose();
      var done = call.read();
      System.err.printf(
          "%s: %d records read, %d created, %d updated%n",
          done.getDataset().getName(),
          done.getRecordCount(),
          done.getCreatedCount(),
          done.getUpdatedCount());
    }
  }

  /** Writes the latest version to standard output, one JSON object a line. */
  private static void download(DatasetsServiceBlockingV2Stub datasets, String dataset)
      throws IOException, InterruptedException, StatusException {
    var call = datasets.downloadDataset(DownloadDatasetRequest.newBuilder().setName(dataset).build());
    while (call.hasNext()) {
      call.read().getChunk().writeTo(System.out);
    }
    System.out.flush();
  }

  /** Prints an error; every refusal of the server carries a reason, some say when to try again. */
  private static void explain(StatusException error) throws InvalidProtocolBufferException {
    System.err.println(error.getStatus().getDescription());
    for (Any detail : StatusProto.fromThrowable(error).getDetailsList()) {
      if (detail.is(ErrorInfo.class)) {
        System.err.println("reason: " + detail.unpack(ErrorInfo.class).getReason());
      } else if (detail.is(RetryInfo.class)) {
        var delay = detail.unpack(RetryInfo.class).getRetryDelay();
        System.err.println("retry in: " + delay.getSeconds() + " s");
      }
    }
  }
}
