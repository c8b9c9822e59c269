package pluginsdk

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pluginpb "github.com/xivo-auth/xivo-auth/backends/plugin/proto"
)

// ServeBackend serves b until xivo-auth is done with it. It does not return.
func ServeBackend(b Backend) {
	s := &backendServer{b: b}
	s.plugin = plugin{kind: pluginpb.KindBackend, load: b.Load, access: b.ServiceAccess}
	serve(pluginpb.KindBackend, func(g *grpc.Server) {
		pluginpb.RegisterPluginServer(g, &s.plugin)
		pluginpb.RegisterBackendServer(g, s)
	})
}

// ServeIdentityProvider serves p until xivo-auth is done with it. It does not return.
func ServeIdentityProvider(p IdentityProvider) {
	s := &providerServer{p: p}
	s.plugin = plugin{kind: pluginpb.KindIDP, load: p.Load, access: p.ServiceAccess, method: p.Method}
	serve(pluginpb.KindIDP, func(g *grpc.Server) {
		pluginpb.RegisterPluginServer(g, &s.plugin)
		pluginpb.RegisterIdentityProviderServer(g, s)
	})
}

// ServeMetadataProvider serves p until xivo-auth is done with it. It does not return.
func ServeMetadataProvider(p MetadataProvider) {
	s := &metadataServer{p: p}
	s.plugin = plugin{kind: pluginpb.KindMetadata, load: p.Load, access: p.ServiceAccess}
	serve(pluginpb.KindMetadata, func(g *grpc.Server) {
		pluginpb.RegisterPluginServer(g, &s.plugin)
		pluginpb.RegisterMetadataProviderServer(g, s)
	})
}

// ServeExternalAuth serves e until xivo-auth is done with it. It does not return.
func ServeExternalAuth(e ExternalAuth) {
	s := &externalServer{e: e}
	s.plugin = plugin{kind: pluginpb.KindExternalAuth, load: e.Load, access: e.ServiceAccess, external: s.declaration}
	serve(pluginpb.KindExternalAuth, func(g *grpc.Server) {
		pluginpb.RegisterPluginServer(g, &s.plugin)
		pluginpb.RegisterExternalAuthServer(g, s)
	})
}

// ServeEmailNotification serves e until xivo-auth is done with it. It does not return.
func ServeEmailNotification(e EmailNotification) {
	s := &emailServer{e: e}
	s.plugin = plugin{kind: pluginpb.KindEmail, load: e.Load, access: e.ServiceAccess}
	serve(pluginpb.KindEmail, func(g *grpc.Server) {
		pluginpb.RegisterPluginServer(g, &s.plugin)
		pluginpb.RegisterEmailNotificationServer(g, s)
	})
}

// registration makes our services a plug-in of go-plugin.
type registration struct {
	goplugin.NetRPCUnsupportedPlugin
	register func(*grpc.Server)
}

func (r registration) GRPCServer(_ *goplugin.GRPCBroker, g *grpc.Server) error {
	r.register(g)
	return nil
}

// GRPCClient is the host's half; a plug-in has none.
func (registration) GRPCClient(context.Context, *goplugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, ErrNotOffered
}

func serve(kind string, register func(*grpc.Server)) {
	if os.Getenv(pluginpb.CookieKey) == pluginpb.CookieValue {
		go endWithHost(os.Stdin)
	}
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig: goplugin.HandshakeConfig{ProtocolVersion: pluginpb.Version, MagicCookieKey: pluginpb.CookieKey, MagicCookieValue: pluginpb.CookieValue},
		Plugins:         goplugin.PluginSet{kind: registration{register: register}},
		Logger:          hclog.New(&hclog.LoggerOptions{Level: hclog.Error, Output: os.Stderr}),
		GRPCServer: func(o []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(o, grpc.UnaryInterceptor(recovered), grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxMessage))...)
		},
	})
	os.Exit(0)
}

// maxMessage bounds one message in bytes, as the host does.
const maxMessage = 4 << 20

// endWithHost ends the program when the host is gone: only the host holds the other end of standard input.
func endWithHost(stdin io.Reader) {
	_, _ = io.Copy(io.Discard, stdin)
	os.Exit(0)
}

// recovered turns a panic into an error of one call: other logins go on.
func recovered(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (answer any, err error) {
	defer func() {
		if p := recover(); p != nil {
			// Not the value: it may quote what the call was about.
			slog.ErrorContext(ctx, "panic in "+info.FullMethod, "type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
			answer, err = nil, status.Error(codes.Internal, "the plug-in panicked")
		}
	}()
	answer, err = next(ctx, req)
	return answer, toStatus(err)
}
