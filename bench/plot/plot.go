// Package plot draws lines over logarithmic axes, as SVG.
package plot

import (
	"fmt"
	"io"
	"math"
	"strings"
)

// Line is a named series of points with positive coordinates.
type Line struct {
	Name   string
	Points [][2]float64
}

const (
	width, height            = 760, 440
	left, right, top, bottom = 70, 170, 40, 50
)

var colors = []string{"#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#7f7f7f"}

// LogLog draws lines. The axes end at powers of ten.
func LogLog(w io.Writer, title, xLabel, yLabel string, lines []Line) error {
	lowX, highX := decades(lines, 0)
	lowY, highY := decades(lines, 1)
	x := func(v float64) float64 {
		return left + (math.Log10(v)-lowX)/(highX-lowX)*(width-left-right)
	}
	y := func(v float64) float64 {
		return height - bottom - (math.Log10(v)-lowY)/(highY-lowY)*(height-top-bottom)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n", width, height)
	text := func(x, y float64, anchor, text string) {
		fmt.Fprintf(&b, "<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"%s\">%s</text>\n", x, y, anchor, text)
	}
	rule := func(x1, y1, x2, y2 float64) {
		fmt.Fprintf(&b, "<path d=\"M%.1f %.1fL%.1f %.1f\" stroke=\"#ddd\"/>\n", x1, y1, x2, y2)
	}
	for d := lowX; d <= highX; d++ {
		at := x(math.Pow(10, d))
		rule(at, top, at, height-bottom)
		text(at, height-bottom+18, "middle", number(d))
	}
	for d := lowY; d <= highY; d++ {
		at := y(math.Pow(10, d))
		rule(left, at, width-right, at)
		text(left-8, at+4, "end", number(d))
	}
	text(left, top-16, "start", title)
	text((left+width-right)/2, height-12, "middle", xLabel)
	fmt.Fprintf(&b, "<text transform=\"translate(16 %d) rotate(-90)\" text-anchor=\"middle\">%s</text>\n", (top+height-bottom)/2, yLabel)
	for i, line := range lines {
		color := colors[i%len(colors)]
		var path strings.Builder
		for n, p := range line.Points {
			command := "L"
			if n == 0 {
				command = "M"
			}
			fmt.Fprintf(&path, "%s%.1f %.1f", command, x(p[0]), y(p[1]))
			fmt.Fprintf(&b, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n", x(p[0]), y(p[1]), color)
		}
		fmt.Fprintf(&b, "<path d=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"2\"/>\n", path.String(), color)
		at := float64(top + 10 + 18*i)
		fmt.Fprintf(&b, "<path d=\"M%d %.0fh18\" stroke=\"%s\" stroke-width=\"2\"/>\n", width-right+12, at-4, color)
		text(width-right+36, at, "start", line.Name)
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// decades returns the powers of ten around the coordinates of all points.
func decades(lines []Line, axis int) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, line := range lines {
		for _, p := range line.Points {
			low, high = min(low, math.Log10(p[axis])), max(high, math.Log10(p[axis]))
		}
	}
	low = math.Floor(low + 1e-9)
	return low, max(low+1, math.Ceil(high-1e-9))
}

func number(decade float64) string {
	if decade < 0 {
		return fmt.Sprintf("%.*f", int(-decade), math.Pow(10, decade))
	}
	digits := fmt.Sprintf("%.0f", math.Pow(10, decade))
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
