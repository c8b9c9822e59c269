// Command logger sends no mail: it says what there would be one about, but for the token.
package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/xivo-auth/xivo-auth/backends/pluginsdk"
)

type logger struct {
	pluginsdk.EmailNotificationDefaults
}

func (logger) SendConfirmation(_ context.Context, about map[string]any) error {
	say("send_confirmation", about)
	return nil
}

func (logger) SendPasswordReset(_ context.Context, about map[string]any) error {
	say("send_password_reset", about)
	return nil
}

func say(what string, about map[string]any) {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(about)) {
		if k != "token" {
			parts = append(parts, fmt.Sprintf("'%s': '%v'", k, about[k]))
		}
	}
	fmt.Fprintf(os.Stderr, "email_notification_logger,%s,{%s}\n", what, strings.Join(parts, ", "))
}

func main() { pluginsdk.ServeEmailNotification(logger{}) }
