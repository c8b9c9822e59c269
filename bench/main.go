// Command bench measures what the product promises (docs/performance.md): each figure beside its baseline, in alternation,
// on the real programs with the settings of production. It brings PostgreSQL and Temporal along by running itself below
// `dev exec --durable`.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"github.com/xivo-auth/xivo-auth/bench/baseline"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := command(ctx, os.Args[1:])
	stop()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		os.Exit(max(exit.ExitCode(), 1))
	case err != nil && !errors.Is(err, flag.ErrHelp):
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func command(ctx context.Context, args []string) error {
	if len(args) > 0 && (args[0] == bare || args[0] == oneQuery) {
		return serve(ctx, args[0], args[1:])
	}
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.Func("only", "measure only what matches this `regexp` ("+strings.Join(names(), ", ")+")", func(s string) (err error) {
		o.only, err = regexp.Compile(s)
		return err
	})
	flags.BoolVar(&o.quick, "quick", false, "short rounds and few rows: whether it works, not how fast it is")
	flags.StringVar(&o.bin, "bin", "bin", "`folder` of api, worker, xivo-auth and dev")
	flags.StringVar(&o.out, "out", "", "`file` for the results (bench/results/latest.json; partial.json with -only or -quick)")
	flags.StringVar(&o.logs, "logs", "", "keep the logs of all processes in this `folder`")
	flags.Func("set", "a further setting of the programs, as `KEY=value`, e.g. XIVO_AUTH_GOGC=200; may be repeated", func(s string) error {
		if !strings.Contains(s, "=") {
			return errors.New("not KEY=value")
		}
		o.settings = append(o.settings, s)
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("an argument too many: %s", flags.Arg(0))
	}
	if o.out == "" {
		o.out = "bench/results/latest.json"
		if o.quick || o.only != nil {
			o.out = "bench/results/partial.json"
		}
	}
	if os.Getenv(databaseVariable) == "" {
		return beside(ctx, o, args)
	}
	return run(ctx, o)
}

// beside runs this very command beside fresh servers. Ctrl-C reaches it directly.
func beside(ctx context.Context, o options, args []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	exec1 := []string{"exec", "--durable"}
	if o.logs != "" {
		exec1 = append(exec1, "--keep-logs", o.logs)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(o.bin, "dev"), append(append(exec1, "--", self), args...)...) //nolint:gosec // our own programs
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	return cmd.Run()
}

// The servers of package baseline, as sub-commands.
const (
	bare     = "bare"
	oneQuery = "one-query"
)

func serve(ctx context.Context, name string, args []string) error {
	flags := flag.NewFlagSet("bench "+name, flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:0", "`address` to serve on")
	uri := flags.String("uri", "", "`URI` of the database")
	connections := flags.Int("connections", 10, "size of the pool")
	headers := http.Header{}
	flags.Func("header", "a header of every answer, `Name: value`; may be repeated", func(s string) error {
		k, v, _ := strings.Cut(s, ": ")
		headers.Add(k, v)
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return err
	}
	if name == bare {
		return baseline.Bare(ctx, *listen, headers)
	}
	return baseline.OneQuery(ctx, *listen, headers, *uri, int32(*connections)) //nolint:gosec // a small number
}
