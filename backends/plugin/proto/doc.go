// Package pluginpb is the protocol between xivo-auth and its plug-ins: plugin.proto, the code generated from it, and the
// handshake. Both ends use it: backends/plugin is xivo-auth's, backends/pluginsdk the plug-in's.
//
// The generated files are checked in. To make them again: protoc 3.21 (Debian: protobuf-compiler), protoc-gen-go v1.36.12,
// protoc-gen-go-grpc v1.5.1, and go generate in this folder.
package pluginpb
