package api

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/xivo-auth/xivo-auth/identity"
)

func (s *server) userEmailRoutes() []route {
	return []route{
		{method: "PUT", path: "/users/:user_uuid/emails", access: "auth.users.{user_uuid}.emails.update", authorized: s.setEmails(emailFields), plugin: "user_email"},
		{method: "PUT", path: "/admin/users/:user_uuid/emails", access: "auth.admin.users.{user_uuid}.emails.update", authorized: s.setEmails(adminEmailFields), plugin: "user_email"},
	}
}

// Limits of ours on lists that the contract leaves open.
const (
	mostEmails = 1000
	mostUsers  = 10_000
)

// Users say what their addresses are, administrators also which are confirmed (identity.md section 10).
var (
	emailFields = []field{
		{name: "address", required: true, read: address},
		{name: "main", read: truth},
	}
	adminEmailFields = append(emailFields[:len(emailFields):len(emailFields)], field{name: "confirmed", nullable: true, read: truth})
)

// objects is a list of objects, bounded in length; its value is a []any of maps. What is no list is told apart from an
// element that is no object, as in the contract.
func objects(most int, table []field) reader {
	return func(v any) (value, failure any) {
		items, ok := v.([]any)
		if !ok {
			return nil, errObject
		}
		if len(items) > most {
			return nil, []fieldError{errLonger(most)}
		}
		values, failed := make([]any, len(items)), &fieldErrors{}
		for i, x := range items {
			members, ok := x.(map[string]any)
			if !ok {
				failed.add(strconv.Itoa(i), schemaErrors(errInput.Message))
				continue
			}
			one, wrong := check(members, table)
			if len(wrong.names) > 0 {
				failed.add(strconv.Itoa(i), &wrong)
			}
			values[i] = one
		}
		if len(failed.names) > 0 {
			return nil, failed
		}
		return values, nil
	}
}

// schemaErrors are faults of a whole object, as texts.
func schemaErrors(texts ...string) *fieldErrors {
	e := &fieldErrors{}
	e.add("_schema", texts)
	return e
}

// everyField reads a body of which all faults are told.
func (s *server) everyField(c *gin.Context, table []field, id, resource string) (map[string]any, error) {
	body, ok, err := readObject(c, s.MaxBody)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, schemaErrors(errInput.Message).every(id, resource)
	}
	values, failed := check(body, table)
	return values, failed.every(id, resource)
}

func (s *server) setEmails(table []field) func(*gin.Context, *caller) {
	list := []field{{name: "emails", required: true, read: objects(mostEmails, table)}}
	return func(c *gin.Context, who *caller) {
		values, err := s.everyField(c, list, "invalid-data", "emails")
		if err != nil {
			s.fail(c, err)
			return
		}
		emails := emailChanges(values)
		if err := emailRules(emails); err != nil {
			s.fail(c, err)
			return
		}
		user, err := uuid.Parse(segment(c, "user_uuid"))
		if err != nil {
			s.fail(c, err)
			return
		}
		stored, err := s.Users.SetEmails(c.Request.Context(), who.realm(), user, emails)
		if err != nil {
			s.fail(c, err)
			return
		}
		writeJSON(c, http.StatusOK, stored)
	}
}

func emailChanges(values map[string]any) []identity.EmailChange {
	items, _ := values["emails"].([]any)
	emails := make([]identity.EmailChange, len(items))
	for i, x := range items {
		members, _ := x.(map[string]any)
		emails[i] = identity.EmailChange{Address: text(members, "address"), Main: yes(members, "main", false)}
		if confirmed, ok := members["confirmed"].(bool); ok {
			emails[i].Confirmed = &confirmed
		}
	}
	return emails
}

// emailRules are those of the list as a whole.
func emailRules(emails []identity.EmailChange) error {
	seen, mains := map[string]bool{}, 0
	for _, e := range emails {
		seen[e.Address] = true
		if e.Main {
			mains++
		}
	}
	var broken []string
	if len(seen) < len(emails) {
		broken = append(broken, "The same address can only be used once")
	}
	switch {
	case mains > 1:
		broken = append(broken, "Only one address should be main")
	case mains == 0 && len(emails) > 0:
		broken = append(broken, "At least one address should be main")
	}
	if len(broken) == 0 {
		return nil
	}
	return schemaErrors(slices.Clip(broken)...).every("invalid-data", "emails")
}
