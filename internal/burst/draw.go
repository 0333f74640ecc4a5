package burst

import (
	"fmt"
	"html"
	"io"
	"strings"
)

const (
	width, height = 900, 240 // of one panel
	left, top     = 70, 40
	gap           = 60
)

// curve is a line of a panel.
type curve struct {
	name, colour string
	value        func(Second) float64
}

// WriteSVG draws offered load, goodput and errors over time, and latency and wait below. It
// needs nothing to be looked at but a browser.
func (r Result) WriteSVG(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">`, width+left+30, 2*(height+gap)+top+20)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="white"/><text x="%d" y="20" font-size="15">%s: %d wanted, %d good, %d late, %d errors, %d gave up, the longest wait %.0f ms</text>`,
		left, html.EscapeString(r.Addr), r.Total.Offered, r.Total.Good, r.Total.Late, r.Total.Errors, r.Total.GaveUp, r.Total.MaxMS)
	r.panel(&b, top+20, "requests per second", []curve{
		{"wanted", "#999999", func(s Second) float64 { return float64(s.Offered) }},
		{"good", "#1a7f37", func(s Second) float64 { return float64(s.Good) }},
		{"errors, given up, lost", "#cf222e", func(s Second) float64 { return float64(s.Errors + s.GaveUp + s.Lost) }},
	})
	r.panel(&b, top+20+height+gap, "milliseconds", []curve{
		{"p99", "#8250df", func(s Second) float64 { return s.P99MS }},
		{"p50", "#0969da", func(s Second) float64 { return s.P50MS }},
		{"wait for a connection", "#bf8700", func(s Second) float64 { return s.WaitMS }},
	})
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// panel draws curves over one scale.
func (r Result) panel(b *strings.Builder, y int, unit string, curves []curve) {
	most, last := 1.0, 1
	for _, s := range r.Seconds {
		last = max(last, s.At)
		for _, c := range curves {
			most = max(most, c.value(s))
		}
	}
	fmt.Fprintf(b, `<text x="%d" y="%d">%s</text>`, left, y-6, unit)
	for i := range 5 {
		at := y + height - i*height/4
		fmt.Fprintf(b, `<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="#dddddd"/><text x="%d" y="%d" text-anchor="end">%.0f</text>`,
			left, at, left+width, at, left-6, at+4, most*float64(i)/4)
		fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle">%d s</text>`, left+i*width/4, y+height+16, last*i/4)
	}
	for i, c := range curves {
		var points []string
		for _, s := range r.Seconds {
			points = append(points, fmt.Sprintf("%.1f,%.1f", float64(left)+float64(width*s.At)/float64(last), float64(y+height)-float64(height)*c.value(s)/most))
		}
		fmt.Fprintf(b, `<polyline fill="none" stroke="%s" stroke-width="1.5" points="%s"/>`, c.colour, strings.Join(points, " "))
		fmt.Fprintf(b, `<text x="%d" y="%d" fill="%s">%s</text>`, left+200+180*i, y-6, c.colour, c.name)
	}
}
