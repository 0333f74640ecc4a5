package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/mattn/go-isatty"
	"go.yaml.in/yaml/v4"

	"github.com/sqlring/sqlring/internal/api"
)

// print writes v as --output says; table writes it for people.
func (c *cli) print(v any, table func(w io.Writer)) error {
	if c.format == "table" {
		table(c.out)
		return nil
	}
	data, err := encode(c.format, v)
	if err != nil {
		return err
	}
	_, err = c.out.Write(data)
	return err
}

// encode writes v as JSON, or as YAML with the same names in the same order.
func encode(format string, v any) ([]byte, error) {
	var text strings.Builder
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encode answer: %w", err)
	}
	if format == "json" {
		return []byte(text.String()), nil
	}
	var doc yaml.Node
	if err := yaml.Load([]byte(text.String()), &doc); err != nil { // JSON is YAML
		return nil, fmt.Errorf("encode answer: %w", err)
	}
	blockStyle(&doc)
	return yaml.Dump(&doc)
}

// blockStyle drops JSON's braces and quotes; the encoder quotes what needs it,
// but for what only YAML 1.1 takes for a truth value.
func blockStyle(n *yaml.Node) {
	switch n.Value {
	case "on", "off", "yes", "no", "y", "n":
	default:
		n.Style = 0
	}
	for _, child := range n.Content {
		blockStyle(child)
	}
}

// table writes rows in columns; the first row is the head.
func table(w io.Writer, rows [][]string) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	_ = t.Flush() // an error of w shows at the next write
}

// interactive reports whether w is a terminal.
func interactive(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// orDash shows an empty text as a dash.
func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// yesNo shows a truth value; nil is not known.
func yesNo(b *bool) string {
	switch {
	case b == nil:
		return "unknown"
	case *b:
		return "yes"
	}
	return "no"
}

// sinceText says for how long something has been so.
func sinceText(d time.Duration) string { return "for " + api.Span(d) }

// agoText says how long ago something was.
func agoText(ms int64) string { return api.Span(time.Duration(ms)*time.Millisecond) + " ago" }

// millis shows a lag by its bounds; nil is not known.
func millis(low, width *int64) string {
	if low == nil || width == nil {
		return "unknown"
	}
	return fmt.Sprintf("%d ms (+%d)", *low, *width)
}
