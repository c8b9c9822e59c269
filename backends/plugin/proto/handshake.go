package pluginpb

//go:generate protoc -I . --go_out=. --go_opt=paths=source_relative --go-grpc_out=. --go-grpc_opt=paths=source_relative plugin.proto

// What a plug-in finds in its environment and answers with, so that it is not started by hand and speaks our version.
const (
	CookieKey   = "XIVO_AUTH_PLUGIN"
	CookieValue = "f3f0a2f5-6c5b-4a0e-9f5e-7d1c5f3a4b21"
	// Version of the protocol: raised when an old plug-in cannot work any more.
	Version = 1
)

// Kinds of plug-ins, which are folders of the plug-ins directory too.
const (
	KindBackend      = "backend"
	KindIDP          = "idp"
	KindMetadata     = "metadata"
	KindExternalAuth = "external_auth"
	KindEmail        = "email_notification"
)

// ServiceTokenKey is the gRPC metadata that carries the token a plug-in asked for when it was loaded.
const ServiceTokenKey = "service-token"
