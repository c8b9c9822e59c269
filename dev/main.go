package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"

	"github.com/xivo-auth/xivo-auth/dev/stack"
)

const usage = `usage: dev COMMAND

  run                                         start the whole stack, stop it with Ctrl-C
  worker                                      add one more worker process to the running stack
  reset                                       remove the data of the stack
  exec [--durable] [--keep-logs DIR] -- COMMAND ...
                                              run a command beside a fresh PostgreSQL and Temporal, then throw them away
  broker DIR PORT                             become a RabbitMQ server with its data in DIR; exit code 3: none is installed

environment: XIVO_AUTH_RUN_DIR (.run), WORKERS (1), APIS (1), EVENTS (0; 1 starts RabbitMQ too), API_PORT (9497),
INTERNAL_PORT (9597), TEMPORAL_PORT (7233), TEMPORAL_UI_PORT (8233), PG_PORT (5442), AMQP_PORT (5682); a port 0 is a free one. XIVO_AUTH_PG_BIN: folder of PostgreSQL's programs.
`

func main() {
	os.Exit(command(os.Args[1:]))
}

func command(args []string) int {
	if len(args) == 0 {
		fmt.Fprint(os.Stderr, usage)
		return 2
	}
	ctx := context.Background()
	var err error
	switch name, rest := args[0], args[1:]; name {
	case "run":
		err = stack.Run(ctx, os.Stdout)
	case "worker":
		err = stack.AddWorker(os.Stdout)
	case "reset":
		err = stack.Reset(os.Stdout)
	case "exec":
		flags := flag.NewFlagSet("dev exec", flag.ContinueOnError)
		durable := flags.Bool("durable", false, "fsync on and production-like settings, for measurements")
		logs := flags.String("keep-logs", "", "write the logs of the servers to this `folder` and keep them")
		if flags.Parse(rest) != nil {
			return 2
		}
		err = stack.Exec(ctx, flags.Args(), *durable, *logs)
	case "broker":
		port := 0
		if len(rest) == 2 {
			port, err = strconv.Atoi(rest[1])
		}
		if port == 0 || err != nil {
			fmt.Fprint(os.Stderr, usage)
			return 2
		}
		err = stack.Broker(rest[0], port)
	case "help", "-h", "-help", "--help":
		fmt.Print(usage)
	default:
		fmt.Fprint(os.Stderr, usage)
		return 2
	}
	var exit *stack.ExitError
	if errors.As(err, &exit) {
		return exit.Code
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "dev:", err)
		return 1
	}
	return 0
}
