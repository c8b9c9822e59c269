package stack

import (
	"fmt"
	"io"
	"net/url"
	"strings"
)

// lifetimes is the page of the Web UI that lists the lifetimes of all tokens.
func lifetimes(ui string) string {
	return ui + "/namespaces/" + namespace + "/workflows?query=" + url.QueryEscape(`WorkflowType="TokenLifetime"`)
}

func bus(uri string) string {
	if uri == "" {
		return "none; make run EVENTS=1 starts RabbitMQ, where it is installed"
	}
	return uri + "   exchange xivo, user name and password guest"
}

// screen tells the developer everything at once, for reading and for copying.
func screen(out io.Writer, f facts, dir folder) {
	fmt.Fprintf(out, `
xivo-auth runs. Ctrl-C stops everything; the data stays in %[1]s.

  API            %[2]s
  first user     %[3]s   password  %[4]s
  lifetimes      %[5]s
  Temporal       %[6]s   Web UI  %[7]s
  PostgreSQL     %[8]s   DATABASE_URL in %[1]s/env
  events         %[11]s
  health         %[9]s   (/healthz /readyz /metrics)
  logs           %[1]s/log   the same facts for scripts: %[1]s/env

Log in (keeps the token), check, look, revoke:

  TOKEN=$(curl -sS -X POST -u %[3]s:%[4]s -H 'Content-Type: application/json' -d '{"expiration": 3600}' %[10]s/0.1/token | sed -n 's/.*"token": *"\([^"]*\)".*/\1/p'); echo $TOKEN
  curl -sS -I %[10]s/0.1/token/$TOKEN
  curl -sS %[10]s/0.1/token/$TOKEN
  curl -sS -X DELETE %[10]s/0.1/token/$TOKEN

More: make run WORKERS=3 APIS=2 EVENTS=1, or make worker in another terminal.
`, dir, strings.Join(f.URLs, "  "), f.Username, f.Password, lifetimes(f.TemporalUIURL), f.TemporalAddress, f.TemporalUIURL,
		f.DatabaseAddress, strings.Join(f.InternalURLs, "  "), f.URLs[0], bus(f.AMQPURI))
}
