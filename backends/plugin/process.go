package plugin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	pluginpb "github.com/xivo-auth/xivo-auth/backends/plugin/proto"
)

// errPassing marks a failed start that may go better the next time.
var errPassing = errors.New("it may start later")

// stopGrace is how long a plug-in may take to end by itself.
const stopGrace = 3 * time.Second

// generation is one life of a plug-in's process.
type generation struct {
	client  *goplugin.Client
	child   *child
	conn    *grpc.ClientConn
	load    *pluginpb.LoadAnswer
	started time.Time
}

// connection has go-plugin hand out the connection itself.
type connection struct {
	goplugin.NetRPCUnsupportedPlugin
}

// GRPCServer is the plug-in's half; the host has none.
func (connection) GRPCServer(*goplugin.GRPCBroker, *grpc.Server) error { return errors.ErrUnsupported }

// GRPCClient is the connection.
func (connection) GRPCClient(_ context.Context, _ *goplugin.GRPCBroker, c *grpc.ClientConn) (any, error) {
	return c, nil
}

// start makes a process and loads the plug-in in it. An error of which errPassing is a part may pass.
func (p *plugin) start(ctx context.Context) (_ *generation, err error) {
	if err := p.checkFile(); err != nil {
		return nil, err
	}
	c, err := newChild(p.path)
	if err != nil {
		return nil, err
	}
	p.child.Store(c)
	g := &generation{started: time.Now(), child: c}
	g.client = goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig:  goplugin.HandshakeConfig{ProtocolVersion: pluginpb.Version, MagicCookieKey: pluginpb.CookieKey, MagicCookieValue: pluginpb.CookieValue},
		Plugins:          goplugin.PluginSet{p.kind: connection{}},
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		AutoMTLS:         true,
		SkipHostEnv:      true,
		StartTimeout:     p.h.o.StartTimeout,
		Logger:           hclog.NewNullLogger(),
		Stderr:           p.out,
		SyncStdout:       p.out,
		SyncStderr:       p.out,
		GRPCDialOptions:  []grpc.DialOption{grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage))},
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, _ string) (runner.Runner, error) {
			c.cmd.Env = append(c.cmd.Env, cmd.Env...)
			return c, nil
		},
	})
	// Whatever hangs here hangs on the process: without it, it ends. Starting and loading have the time-out once each.
	ctx, cancel := context.WithTimeout(ctx, 2*p.h.o.StartTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = c.Kill(ctx) })()
	defer func() {
		if err != nil {
			g.stop(0)
		}
	}()
	protocol, err := g.client.Client()
	if err != nil {
		return nil, startFailure(err)
	}
	conn, err := protocol.Dispense(p.kind)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	g.conn, _ = conn.(*grpc.ClientConn)
	settings, err := json.Marshal(p.settings)
	if err != nil {
		return nil, fmt.Errorf("encode its settings: %w", err)
	}
	loading, done := context.WithTimeout(ctx, p.h.o.StartTimeout)
	defer done()
	g.load, err = pluginpb.NewPluginClient(g.conn).Load(loading, &pluginpb.LoadRequest{Kind: p.kind, Name: p.name, SettingsJson: settings,
		XivoUuid: p.h.o.XivoUUID, ServiceUrl: p.h.o.ServiceURL})
	if err != nil {
		s := status.Convert(err)
		failure := fmt.Errorf("its load step failed: %s: %s", s.Code(), said(s.Message()))
		if s.Code() == codes.Unavailable {
			return nil, errors.Join(failure, errPassing)
		}
		return nil, failure
	}
	return g, p.checkLoad(g.load)
}

// checkFile refuses what must not or cannot be run.
func (p *plugin) checkFile() error {
	info, err := os.Stat(p.path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return errors.New("it is not installed")
	case err != nil:
		return fmt.Errorf("look at its program: %w", err)
	case !info.Mode().IsRegular() || info.Mode()&0o111 == 0:
		return errors.New("its program is not an executable file")
	case info.Mode()&0o002 != 0:
		return errors.New("its program may be changed by everybody on this machine")
	case p.checksum == "":
		return nil
	}
	want, err := hex.DecodeString(p.checksum)
	if err != nil || len(want) != sha256.Size {
		return errors.New("its configured checksum is not a SHA-256 in hexadecimal digits")
	}
	ok, err := (&goplugin.SecureConfig{Checksum: want, Hash: sha256.New()}).Check(p.path)
	if err != nil {
		return fmt.Errorf("compare its checksum: %w", err)
	}
	if !ok {
		return errors.New("its program does not have the configured checksum")
	}
	return nil
}

func (p *plugin) checkLoad(a *pluginpb.LoadAnswer) error {
	switch {
	case p.kind == KindIDP && a.GetMethod() == "":
		return errors.New("it names no authentication method")
	case len(a.GetMethod()) > 64 || printable(a.GetMethod()) != a.GetMethod():
		return errors.New("it names an unusable authentication method")
	case len(a.GetServiceAccess()) > 100:
		return errors.New("it asks for a service token with too many accesses")
	case len(a.GetServiceAccess()) > 0 && p.h.o.ServiceToken == nil:
		return errors.New("it asks for a service token, and there are none here")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.method != "" && p.method != a.GetMethod() {
		return errors.New("its authentication method changed since it was first loaded")
	}
	p.method = a.GetMethod()
	if p.kind == KindExternalAuth && p.declared == nil {
		var err error
		p.declared, err = declaration(a.GetExternal())
		return err
	}
	return nil
}

// startFailure says in our words what go-plugin says about a start.
func startFailure(err error) error {
	switch text := err.Error(); {
	case strings.Contains(text, "Failed to read any lines"), strings.Contains(text, "exited before we could connect"):
		return errors.Join(errors.New("its program ended before it was ready"), errPassing)
	case strings.Contains(text, "timeout while waiting"):
		return errors.New("its program was not ready in time")
	case strings.Contains(text, "ncompatible"):
		return errors.New("its program speaks another version of the protocol: " + said(text))
	case strings.Contains(text, "Unrecognized remote plugin message"):
		return errors.New("its program printed something else than the first line of a plug-in: " + said(strings.TrimPrefix(text, "Unrecognized remote plugin message: ")))
	default:
		return errors.New("it could not be started: " + said(text))
	}
}

// stop ends the process: with a request first, by force after grace.
func (g *generation) stop(grace time.Duration) {
	force := time.AfterFunc(grace, func() { _ = g.child.Kill(context.Background()) })
	defer force.Stop()
	g.client.Kill()
	_ = g.child.Kill(context.Background())
	g.child.discard()
}

// healthy asks the health service of the plug-in, and looks at its memory.
func (g *generation) healthy(ctx context.Context, maxMemory int64) error {
	if n := residentBytes(g.child.pid()); n > maxMemory {
		return fmt.Errorf("it holds %d MiB of memory, more than %d: %w", n>>20, maxMemory>>20, errFatal)
	}
	a, err := grpc_health_v1.NewHealthClient(g.conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: goplugin.GRPCServiceName})
	if err != nil {
		return fmt.Errorf("health check: %s", status.Code(err))
	}
	if a.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		return fmt.Errorf("health check: %s", a.GetStatus())
	}
	return nil
}

// errFatal marks what is not waited out.
var errFatal = errors.New("it has to be restarted")
