package acl_test

import (
	"fmt"

	"github.com/xivo-auth/xivo-auth/acl"
)

func Example() {
	list := acl.Compile([]string{"confd.users.me.#", "calld.calls.*.edit", "!confd.users.me.delete"})

	for _, required := range []string{
		"confd.users.123.lines.read",
		"confd.users.123.delete",
		"confd.users.456.lines.read",
		"calld.calls.7.update",
	} {
		fmt.Println(required, list.Allows(required, "123", "s1"))
	}
	// Output:
	// confd.users.123.lines.read true
	// confd.users.123.delete false
	// confd.users.456.lines.read false
	// calld.calls.7.update true
}

func ExampleList_MayAdd() {
	list := acl.Compile([]string{"foo.*"})

	fmt.Println(list.MayAdd("foo.bar", "123", "s1"))
	fmt.Println(list.MayAdd("foo.*", "123", "s1"))
	fmt.Println(list.MayAdd("foo.#", "123", "s1"))
	fmt.Println(list.MayAdd("!foo.#", "123", "s1"))
	// Output:
	// true
	// true
	// false
	// true
}

func ExampleID() {
	one := acl.ID(acl.Canonical([]string{"b", "a", "a"}))
	other := acl.ID(acl.Canonical([]string{"a", "b"}))
	fmt.Println(one == other)
	// Output: true
}
