// Uploads a file into a dataset and reads it back: example DATASET FILE
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pb "example/stubs/phoenix_grpc/v1"
)

const chunkSize = 64 << 10

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: example DATASET FILE")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Args[1], os.Args[2]); err != nil {
		explain(err)
		os.Exit(1)
	}
}

func run(ctx context.Context, dataset, path string) error {
	address := os.Getenv("PHOENIX_GRPC_ADDRESS")
	if address == "" {
		address = "127.0.0.1:50051"
	}
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()

	token, err := credential(ctx, pb.NewAuthServiceClient(conn))
	if err != nil {
		return err
	}
	ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	datasets := pb.NewDatasetsServiceClient(conn)
	if err := upload(ctx, datasets, dataset, path); err != nil {
		return err
	}
	return download(ctx, datasets, dataset)
}

// credential is the API key of the environment, or the access token of a new session.
func credential(ctx context.Context, auth pb.AuthServiceClient) (string, error) {
	if key := os.Getenv("PHOENIX_API_KEY"); key != "" {
		return key, nil
	}
	tokens, err := auth.Login(ctx, &pb.LoginRequest{
		Email:    os.Getenv("PHOENIX_EMAIL"),
		Password: os.Getenv("PHOENIX_PASSWORD"),
	})
	return tokens.GetAccessToken(), err
}

// upload sends a header, then the file in chunks: the server keeps all of it or nothing.
func upload(ctx context.Context, datasets pb.DatasetsServiceClient, dataset, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()

	ctx, cancel := context.WithCancel(ctx) // gives an upload up that does not reach its end
	defer cancel()
	stream, err := datasets.UploadDataset(ctx)
	if err != nil {
		return err
	}
	header := &pb.UploadDatasetHeader{
		Dataset: &pb.UploadDatasetHeader_Name{Name: dataset},
		Action:  pb.UploadAction_UPLOAD_ACTION_APPEND,
		Format:  pb.UploadFormat_UPLOAD_FORMAT_JSONL,
	}
	err = stream.Send(&pb.UploadDatasetRequest{Payload: &pb.UploadDatasetRequest_Header{Header: header}})
	buffer := make([]byte, chunkSize)
	for err == nil {
		n, readErr := file.Read(buffer)
		if readErr == io.EOF {
			break
		}
		if readErr != nil {
			return readErr
		}
		err = stream.Send(&pb.UploadDatasetRequest{Payload: &pb.UploadDatasetRequest_Chunk{Chunk: buffer[:n]}})
	}
	if err != nil && !errors.Is(err, io.EOF) { // io.EOF: the server has refused; CloseAndRecv says why
		return err
	}
	done, err := stream.CloseAndRecv()
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%s: %d records read, %d created, %d updated\n",
		done.Dataset.Name, done.RecordCount, done.CreatedCount, done.UpdatedCount)
	return nil
}

// download writes the latest version to standard output, one JSON object a line.
func download(ctx context.Context, datasets pb.DatasetsServiceClient, dataset string) error {
	stream, err := datasets.DownloadDataset(ctx, &pb.DownloadDatasetRequest{
		Dataset: &pb.DownloadDatasetRequest_Name{Name: dataset},
	})
	if err != nil {
		return err
	}
	for {
		message, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := os.Stdout.Write(message.GetChunk()); err != nil {
			return err
		}
	}
}

// explain prints an error; every refusal of the server carries a reason, some say when to try again.
func explain(err error) {
	refusal, ok := status.FromError(err)
	if !ok {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	fmt.Fprintln(os.Stderr, refusal.Message())
	for _, detail := range refusal.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			fmt.Fprintln(os.Stderr, "reason:", detail.Reason)
		case *errdetails.RetryInfo:
			fmt.Fprintln(os.Stderr, "retry in:", detail.RetryDelay.GetSeconds(), "s")
		}
	}
}
