package app

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// none is what a file says for "do not listen there".
const none = "none"

// positions are the lines of what stands in a file, by path.
type positions map[string]int

// decodeConfig reads a file strictly: what it does not know, it refuses, with
// everything else that is wrong. What the file leaves out gets its default.
func decodeConfig(data []byte) (Config, positions, []fault) {
	d := decoder{at: positions{}}
	root, f := parseYAML(data)
	if f != nil {
		return Config{}, d.at, []fault{*f}
	}
	var given Config
	d.decode(reflect.ValueOf(&given).Elem(), root, "")
	home := given.Dir
	if !filepath.IsAbs(home) {
		home = "/" // it is refused; what follows from it is not to be told too
	}
	cfg := DefaultConfig(given.Node, home)
	cfg.Dir = given.Dir
	d.overlay(reflect.ValueOf(&cfg).Elem(), reflect.ValueOf(given), "")
	return cfg, d.at, d.found
}

// parseYAML returns the one document of a file; nil for an empty file.
func parseYAML(data []byte) (*yaml.Node, *fault) {
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		return nil, syntaxFault(err)
	}
	var doc, more yaml.Node
	switch err := loader.Load(&doc); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, syntaxFault(err)
	}
	switch err := loader.Load(&more); {
	case err == nil:
		return nil, &fault{what: "a second document begins here: a node has one", line: max(1, more.Line)}
	case !errors.Is(err, io.EOF):
		return nil, syntaxFault(err)
	}
	if doc.Kind == yaml.DocumentNode && len(doc.Content) == 1 {
		return doc.Content[0], nil
	}
	return nil, nil
}

func syntaxFault(err error) *fault {
	var syntax *yaml.LoadError
	if errors.As(err, &syntax) {
		return &fault{what: "not YAML: " + syntax.Message, line: max(1, syntax.Mark.Line)}
	}
	return &fault{what: "not YAML: " + err.Error(), line: 1}
}

// decoder walks a document beside the type that it is to fill.
type decoder struct {
	at    positions
	found []fault
}

func (d *decoder) fault(n *yaml.Node, path, format string, args ...any) {
	d.found = append(d.found, fault{path: path, what: fmt.Sprintf(format, args...), line: n.Line})
}

func (d *decoder) decode(into reflect.Value, n *yaml.Node, path string) {
	if n == nil {
		return
	}
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		d.fault(n, path, "anchors and aliases are not used here: write the value out")
		return
	}
	switch into.Kind() {
	case reflect.Struct:
		d.decodeMapping(into, n, path)
	case reflect.Slice:
		d.decodeList(into, n, path)
	case reflect.String:
		d.decodeText(into, n, path)
	case reflect.Int:
		d.decodeScalar(into, n, path, scalar{"!!int", "a number"})
	case reflect.Bool:
		d.decodeScalar(into, n, path, scalar{"!!bool", "true or false"})
	default:
		panic(fmt.Sprintf("app: config field %s has the type %s", path, into.Type()))
	}
}

func (d *decoder) decodeMapping(into reflect.Value, n *yaml.Node, path string) {
	keys := yamlKeys(into.Type())
	if n.Kind != yaml.MappingNode {
		d.fault(n, path, "keys are expected here (%s), this is %s", strings.Join(keys, ", "), describe(n))
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		where := join(path, key.Value)
		at := slices.Index(keys, key.Value)
		switch first, twice := seen[key.Value]; {
		case twice:
			d.fault(key, where, "the key stands on line %d already: keep one of them", first)
		case at < 0:
			d.fault(key, where, "unknown key%s", suggest(key.Value, keys))
		default:
			seen[key.Value], d.at[where] = key.Line, key.Line
			d.decode(into.Field(at), value, where)
		}
	}
}

func suggest(key string, keys []string) string {
	if near := nearest(key, keys); near != "" {
		return fmt.Sprintf(": did you mean %q?", near)
	}
	return ": possible here are " + strings.Join(keys, ", ")
}

func (d *decoder) decodeList(into reflect.Value, n *yaml.Node, path string) {
	if n.Kind != yaml.SequenceNode {
		d.fault(n, path, "a list is expected here, this is %s: start each entry with \"- \"", describe(n))
		return
	}
	into.Set(reflect.MakeSlice(into.Type(), len(n.Content), len(n.Content)))
	for i, entry := range n.Content {
		where := fmt.Sprintf("%s[%d]", path, i)
		d.at[where] = entry.Line
		d.decode(into.Index(i), entry, where)
	}
}

func (d *decoder) decodeText(into reflect.Value, n *yaml.Node, path string) {
	switch {
	case n.Kind != yaml.ScalarNode:
		d.fault(n, path, "text is expected here, this is %s", describe(n))
	case n.ShortTag() != "!!str":
		d.fault(n, path, "text is expected here, %s is %s: put it in quotes if it is meant so", shown(n.Value), describe(n))
	case n.Value == "":
		d.fault(n, path, "it is empty: leave it out for its default%s", noneHint(path))
	default:
		into.SetString(n.Value)
	}
}

// scalar is a value that is not text: its tag in YAML, and what people call it.
type scalar struct{ tag, name string }

func (d *decoder) decodeScalar(into reflect.Value, n *yaml.Node, path string, want scalar) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != want.tag || n.Decode(into.Addr().Interface()) != nil {
		d.fault(n, path, "%s is expected here, this is %s", want.name, describe(n))
	}
}

func shown(value string) string {
	if value == "" {
		return "the value"
	}
	return fmt.Sprintf("%q", value)
}

func noneHint(path string) string {
	if canBeNone(path) {
		return ", or write none"
	}
	return ""
}

// canBeNone reports whether "none" has its meaning at path.
func canBeNone(path string) bool {
	return slices.Contains([]string{"proxy.listen", "proxy.socket", "api.listen", "api.socket"}, path)
}

// overlay copies what the file gave over the defaults.
func (d *decoder) overlay(into, given reflect.Value, path string) {
	for i, key := range yamlKeys(into.Type()) {
		where := join(path, key)
		field, value := into.Field(i), given.Field(i)
		switch {
		case field.Kind() == reflect.Struct:
			d.overlay(field, value, where)
		case d.at[where] == 0: // the file does not say
		case canBeNone(where) && value.String() == none:
			field.SetString("")
		default:
			field.Set(value)
		}
	}
}

// yamlKeys returns the keys of a struct, in the order of its fields.
func yamlKeys(t reflect.Type) []string {
	keys := make([]string, t.NumField())
	for i := range keys {
		keys[i], _, _ = strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
	}
	return keys
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// describe says what a node of a document is.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a set of keys"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case "!!null":
		return "nothing"
	case "!!bool":
		return "true or false"
	case "!!int", "!!float":
		return "a number"
	}
	return "text"
}
