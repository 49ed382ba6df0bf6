//! Draws a picture: panels above each other over the same steps, as SVG.
//!
//! It knows no names of values. Dark on white; the colours are those of Okabe and Ito, told apart by the
//! colour-blind too, and then darker ones.
//!
//! Rooms it touches: history, numbers.

use std::error::Error;
use std::ops::Range;

use plotters::coord::Shift;
use plotters::coord::types::{RangedCoordf64, RangedCoordu64};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::history::Series;
use super::numbers::{grouped, number, tick};

/// Panels over the same steps.
#[derive(Debug)]
pub(super) struct Picture {
    /// Its file's name.
    pub(super) file: &'static str,
    pub(super) title: &'static str,
    pub(super) panels: Vec<Panel>,
}

#[derive(Debug)]
pub(super) struct Panel {
    /// What it shows.
    pub(super) heading: String,
    /// In what unit.
    pub(super) unit: String,
    pub(super) kind: Kind,
    /// By name, at least one, and each with a finite number.
    pub(super) curves: Vec<(String, Series)>,
    /// Steps that a line across the panel marks, and what for.
    pub(super) marked: Option<(&'static str, Vec<u64>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A line each.
    Lines,
    /// A faint line each, and a strong one that is smoothed.
    Noisy,
    /// On top of each other.
    Stacked,
}

/// Pixels.
const WIDTH: u32 = 900;
const TITLE: u32 = 42;
const PANEL: u32 = 210;
const LEGEND: u32 = 180;
const LEGEND_LINE: u32 = 20;
const HEADING: u32 = 26;
const SCALE: u32 = 74;
const STEPS: u32 = 28;
/// Above the legend, and around a panel.
const MARGIN: u32 = 16;

/// A curve that is not smoothed and has no more points than this shows them.
const DOTS: usize = 40;
/// A panel of fewer numbers than this shows them all, however far one is from the rest.
const MANY: usize = 20;
/// A curve with fewer points than this is not smoothed.
const SMOOTHED: usize = 20;
/// A stack of more steps than this is drawn in means of several.
const STACK: u64 = 300;
/// Letters of a name in a legend.
const NAME: usize = 20;

pub(crate) const COLOURS: [RGBColor; 12] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(90, 90, 90),
    RGBColor(0, 57, 89),
    RGBColor(106, 47, 0),
    RGBColor(0, 79, 57),
    RGBColor(102, 60, 83),
    RGBColor(115, 80, 0),
];
const MARK: RGBColor = RGBColor(190, 0, 0);
pub(crate) const INK: RGBColor = RGBColor(40, 40, 40);

pub(crate) type Drawn<T = ()> = Result<T, Box<dyn Error>>;
pub(crate) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordu64, RangedCoordf64>>;

/// The picture as SVG.
pub(super) fn draw(picture: &Picture) -> Drawn<String> {
    let Picture { title, panels, .. } = picture;
    let Some(steps) = steps(panels) else { return Err("it has no panel".into()) };
    let has_legend = panels.iter().any(|panel| entries(panel) > 1);
    let across = Across { steps, window: window(panels), has_legend };
    let heights: Vec<u32> = panels.iter().map(height).collect();
    let mut text = String::new();
    let root = SVGBackend::with_string(&mut text, (WIDTH, TITLE + heights.iter().sum::<u32>() + STEPS))
        .into_drawing_area();
    root.fill(&WHITE)?;
    let (top, mut rest) = root.split_vertically(TITLE);
    write(&top, title, (MARGIN as i32, TITLE as i32 / 2), 21, HPos::Left)?;
    if let Some(window) = across.window {
        let what = format!("faint: each step; strong: mean of {window} steps");
        write(&top, &what, ((WIDTH - MARGIN) as i32, TITLE as i32 / 2), 14, HPos::Right)?;
    }
    for (nth, (panel, height)) in panels.iter().zip(heights).enumerate() {
        let last = nth + 1 == panels.len();
        let (area, below) = rest.split_vertically(if last { height + STEPS } else { height });
        draw_panel(&area, panel, &across, last)?;
        rest = below;
    }
    root.present()?;
    drop((root, top, rest));
    Ok(text)
}

/// What the panels of a picture have in common.
struct Across {
    steps: Range<u64>,
    /// Of how many points a smoothed line is the mean, if any is smoothed.
    window: Option<usize>,
    has_legend: bool,
}

/// The steps that the panels span.
fn steps(panels: &[Panel]) -> Option<Range<u64>> {
    let all = || {
        let series = panels.iter().flat_map(|panel| &panel.curves);
        series.flat_map(|(_, series)| series.points.iter().map(|(step, _)| *step))
    };
    let (first, last) = (all().min()?, all().max()?);
    let stacked = panels.iter().any(|panel| panel.kind == Kind::Stacked);
    Some(match (stacked, first == last) {
        (true, _) => first..last.saturating_add(1),
        (false, true) => first.saturating_sub(1)..last.saturating_add(1),
        (false, false) => first..last,
    })
}

/// A twentieth of the longest noisy curve, an odd number so that a point has as many on both sides.
fn window(panels: &[Panel]) -> Option<usize> {
    let noisy = panels.iter().filter(|panel| panel.kind == Kind::Noisy).flat_map(|panel| &panel.curves);
    let most = noisy.map(|(_, series)| series.points.len()).max()?;
    (most >= SMOOTHED).then(|| (most / 20).max(5) | 1)
}

fn entries(panel: &Panel) -> usize {
    panel.curves.len() + usize::from(panel.marked.is_some())
}

fn height(panel: &Panel) -> u32 {
    PANEL.max(HEADING + MARGIN + LEGEND_LINE * entries(panel) as u32)
}

fn draw_panel(area: &Area<'_>, panel: &Panel, across: &Across, last: bool) -> Drawn {
    let Across { steps, window, has_legend } = across;
    let (plot, legend) = area.split_horizontally(if *has_legend { WIDTH - LEGEND } else { WIDTH - MARGIN });
    let axis = Axis::of(panel);
    let mut chart = ChartBuilder::on(&plot)
        .margin_top(HEADING)
        .margin_left(MARGIN)
        .set_label_area_size(LabelAreaPosition::Left, SCALE)
        .set_label_area_size(LabelAreaPosition::Bottom, if last { 26 + STEPS } else { 26 })
        .build_cartesian_2d(steps.clone(), axis.low..axis.high)?;
    draw_axes(&mut chart, panel, &axis, last)?;
    let remark = match panel.kind {
        Kind::Stacked => averaged(panel),
        Kind::Lines | Kind::Noisy => axis.beyond(panel),
    };
    let heading = format!("{}{remark}", panel.heading);
    write(&plot, &heading, ((MARGIN + SCALE) as i32, HEADING as i32 / 2), 16, HPos::Left)?;
    if let Some((_, marked)) = &panel.marked {
        for step in marked {
            let line = [(*step, axis.low), (*step, axis.high)];
            chart.draw_series([PathElement::new(line, MARK.mix(0.6).stroke_width(1))])?;
        }
    }
    match panel.kind {
        Kind::Stacked => draw_stack(&mut chart, panel)?,
        Kind::Lines | Kind::Noisy => draw_lines(&mut chart, panel, &axis, *window)?,
    }
    if *has_legend && entries(panel) > 1 { draw_legend(&legend, panel) } else { Ok(()) }
}

fn draw_axes(chart: &mut Chart<'_, '_>, panel: &Panel, axis: &Axis, last: bool) -> Drawn {
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.13))
        .axis_style(BLACK.mix(0.6))
        .label_style(("sans-serif", 15).with_color(INK))
        .axis_desc_style(("sans-serif", 15).with_color(INK))
        .x_labels(10)
        .y_labels(6)
        .x_label_formatter(&|step| grouped(*step as f64))
        .y_label_formatter(&|value| tick(*value, axis.high - axis.low))
        .x_desc(if last { "step" } else { "" })
        .y_desc(panel.unit.as_str())
        .draw()?;
    Ok(())
}

/// What a panel shows from bottom to top.
struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    /// All of it, with some air; but a few numbers far from the rest do not press the rest into a line: they
    /// are shown at the edge. Zero is shown where it is not far.
    fn of(panel: &Panel) -> Self {
        let mut numbers = match panel.kind {
            Kind::Stacked => tops(panel),
            Kind::Lines | Kind::Noisy => all_numbers(panel),
        };
        // The difference of larger ones would not be finite.
        for value in &mut numbers {
            *value = value.clamp(-1e300, 1e300);
        }
        numbers.sort_by(f64::total_cmp);
        let at = |part: f64| numbers[((numbers.len() - 1) as f64 * part) as usize];
        let (mut low, mut high) = (at(0.0), at(1.0));
        let (usual_low, usual_high) = (at(0.05), at(0.95));
        let usual = usual_high - usual_low;
        // Of a few numbers none is far from the rest.
        let many = numbers.len() >= MANY;
        if panel.kind != Kind::Stacked && many && usual > 0.0 && high - low > 8.0 * usual {
            low = low.max(usual_low - usual);
            high = high.min(usual_high + usual);
        }
        // No ticks would tell these apart.
        let equal = high - low <= 1e-6 * high.abs().max(low.abs());
        if panel.kind == Kind::Stacked || (low > 0.0 && (low < 0.6 * high || equal)) {
            low = 0.0;
        } else if equal && high < 0.0 {
            high = 0.0;
        }
        if high <= low {
            high = 1.0;
        }
        let air = 0.06 * (high - low);
        Self {
            low: if low == 0.0 { low } else { low - air },
            high: if high == 0.0 { high } else { high + air },
        }
    }

    /// Says what the axis leaves out.
    fn beyond(&self, panel: &Panel) -> String {
        let numbers = all_numbers(panel);
        let outside: Vec<f64> = numbers.into_iter().filter(|value| !self.shows(*value)).collect();
        let farthest = outside.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs()));
        farthest.map_or_else(String::new, |value| match outside.len() {
            1 => format!(" (triangle: {}, beyond the axis)", number(value)),
            count => format!(" (triangles: {count} beyond the axis, as far as {})", number(value)),
        })
    }

    /// A single number of a thousand times the rest would be all that a mean shows.
    fn without_beyond(&self, series: &Series) -> Series {
        let shown = |(step, value): &(u64, Option<f64>)| (*step, value.filter(|value| self.shows(*value)));
        Series { points: series.points.iter().map(shown).collect() }
    }

    fn shows(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// The value, or the edge that it lies beyond.
    fn at_edge(&self, value: f64) -> f64 {
        value.clamp(self.low, self.high)
    }
}

fn all_numbers(panel: &Panel) -> Vec<f64> {
    panel.curves.iter().flat_map(|(_, series)| series.finite().map(|(_, value)| value)).collect()
}

fn draw_lines(chart: &mut Chart<'_, '_>, panel: &Panel, axis: &Axis, window: Option<usize>) -> Drawn {
    let window = window.filter(|_| panel.kind == Kind::Noisy);
    for ((_, series), colour) in panel.curves.iter().zip(colours()) {
        if let Some(window) = window.filter(|_| series.points.len() >= SMOOTHED) {
            draw_line(chart, series, axis, colour.mix(0.3).stroke_width(1))?;
            draw_line(chart, &axis.without_beyond(series).smoothed(window), axis, colour.stroke_width(2))?;
        } else {
            draw_line(chart, series, axis, colour.stroke_width(2))?;
            let dots = series.finite().filter(|(_, value)| axis.shows(*value));
            let dots = dots.filter(|_| series.points.len() <= DOTS);
            chart.draw_series(dots.map(|at| Circle::new(at, 3, colour.filled())))?;
        }
        let outside = series.finite().filter(|(_, value)| !axis.shows(*value));
        chart.draw_series(outside.map(|(step, value)| {
            // One that points down lies upside down.
            let size = if value > axis.high { 6 } else { -6 };
            TriangleMarker::new((step, axis.at_edge(value)), size, colour.filled())
        }))?;
    }
    Ok(())
}

/// A line that is interrupted where there is no finite number.
fn draw_line(chart: &mut Chart<'_, '_>, series: &Series, axis: &Axis, style: ShapeStyle) -> Drawn {
    for piece in series.points.split(|(_, value)| value.is_none()) {
        let shown = piece.iter().filter_map(|(step, value)| Some((*step, axis.at_edge((*value)?))));
        chart.draw_series(LineSeries::new(shown, style))?;
    }
    Ok(())
}

/// Each curve on those before it, a step as wide as it is long.
fn draw_stack(chart: &mut Chart<'_, '_>, panel: &Panel) -> Drawn {
    let (bars, layers) = layers(panel);
    let mut below = vec![0.0; bars.len()];
    for (layer, colour) in layers.iter().zip(colours()) {
        let above: Vec<f64> = below.iter().zip(layer).map(|(below, value)| below + value).collect();
        let edge = |heights: &[f64]| -> Vec<(u64, f64)> {
            bars.iter()
                .zip(heights)
                .flat_map(|(bar, height)| [(bar.start, *height), (bar.end, *height)])
                .collect()
        };
        let outline: Vec<_> = edge(&above).into_iter().chain(edge(&below).into_iter().rev()).collect();
        chart.draw_series([Polygon::new(outline, colour.mix(0.85).filled())])?;
        below = above;
    }
    Ok(())
}

/// How high a stack is, bar by bar.
fn tops(panel: &Panel) -> Vec<f64> {
    let (bars, layers) = layers(panel);
    (0..bars.len()).map(|bar| layers.iter().map(|layer| layer[bar]).sum()).collect()
}

/// Says that bars are means.
fn averaged(panel: &Panel) -> String {
    match layers(panel).0.first().map(|bar| bar.end - bar.start) {
        None | Some(1) => String::new(),
        Some(length) => format!(" (means of {length} steps)"),
    }
}

/// The bars of a stack, and for each curve its mean over each bar's steps. What is missing or below zero
/// takes no room.
fn layers(panel: &Panel) -> (Vec<Range<u64>>, Vec<Vec<f64>>) {
    let Some(steps) = steps(std::slice::from_ref(panel)) else { return (Vec::new(), Vec::new()) };
    let length = (steps.end - steps.start).div_ceil(STACK);
    let bars: Vec<Range<u64>> = (steps.start..steps.end)
        .step_by(length as usize)
        .map(|start| start..(start + length).min(steps.end))
        .collect();
    let layer = |series: &Series| {
        let mut heights = vec![0.0; bars.len()];
        for (step, value) in series.finite() {
            let bar = ((step - steps.start) / length) as usize;
            heights[bar] += value.max(0.0) / (bars[bar].end - bars[bar].start) as f64;
        }
        heights
    };
    let layers = panel.curves.iter().map(|(_, series)| layer(series)).collect();
    (bars, layers)
}

/// Beside the panel, so that it covers nothing; a stack's from the top down, as it lies.
fn draw_legend(area: &Area<'_>, panel: &Panel) -> Drawn {
    let mut entries: Vec<(&str, RGBColor)> =
        panel.curves.iter().map(|(name, _)| name.as_str()).zip(colours()).collect();
    if panel.kind == Kind::Stacked {
        entries.reverse();
    }
    entries.extend(panel.marked.as_ref().map(|(name, _)| (*name, MARK)));
    let left = MARGIN as i32;
    for (nth, (name, colour)) in entries.into_iter().enumerate() {
        let y = (HEADING + LEGEND_LINE / 2 + LEGEND_LINE * nth as u32) as i32;
        match panel.kind {
            Kind::Stacked => {
                area.draw(&Rectangle::new([(left, y - 6), (left + 18, y + 6)], colour.mix(0.85).filled()))?
            }
            Kind::Lines | Kind::Noisy => {
                area.draw(&PathElement::new([(left, y), (left + 18, y)], colour.stroke_width(2)))?;
            }
        }
        write(area, &shortened(name), (left + 25, y), 15, HPos::Left)?;
    }
    Ok(())
}

fn shortened(name: &str) -> String {
    let letters = name.chars().count();
    if letters <= NAME { name.to_owned() } else { name.chars().take(NAME - 1).chain(['…']).collect() }
}

fn colours() -> impl Iterator<Item = RGBColor> {
    COLOURS.into_iter().cycle()
}

/// A text, at its left end, middle or right end, and at half its height, pixels.
pub(crate) fn write(area: &Area<'_>, text: &str, at: (i32, i32), size: i32, across: HPos) -> Drawn {
    let style = ("sans-serif", size).into_font().color(&INK).pos(Pos::new(across, VPos::Center));
    Ok(area.draw(&Text::new(text.to_owned(), at, style))?)
}

#[cfg(test)]
mod tests {
    use super::{Axis, Kind, Panel, Picture, Series, averaged, draw, layers, shortened};

    fn series(numbers: &[f64]) -> Series {
        Series {
            points: (0..).zip(numbers.iter().map(|value| value.is_finite().then_some(*value))).collect(),
        }
    }

    fn panel(kind: Kind, curves: &[&[f64]]) -> Panel {
        let curves =
            curves.iter().enumerate().map(|(nth, curve)| (format!("<{nth}>"), series(curve))).collect();
        Panel { heading: "What".to_owned(), unit: "unit".to_owned(), kind, curves, marked: None }
    }

    #[test]
    fn an_axis_has_air_and_shows_a_zero_that_is_near() {
        let range = |numbers: &[f64]| {
            let axis = Axis::of(&panel(Kind::Lines, &[numbers]));
            format!("{:.2} to {:.2}", axis.low, axis.high)
        };
        assert_eq!(range(&[1.0, 2.0]), "0.00 to 2.12");
        assert_eq!(range(&[9.0, 10.0]), "8.94 to 10.06");
        assert_eq!(range(&[-1.0, 1.0]), "-1.12 to 1.12");
        assert_eq!(range(&[0.0]), "0.00 to 1.06");
        assert_eq!(range(&[1.0, 1.0 + f64::EPSILON]), "0.00 to 1.06");
        assert_eq!(range(&[-5.0, -5.0]), "-5.30 to 0.00");
    }

    #[test]
    fn a_number_far_from_the_rest_is_shown_at_the_edge_and_named() {
        let mut numbers: Vec<f64> = (0..100).map(|nth| 1.0 + f64::from(nth) / 100.0).collect();
        numbers[50] = 4_000.0;
        let panel = panel(Kind::Noisy, &[&numbers]);
        let axis = Axis::of(&panel);
        assert_eq!(format!("{:.2} to {:.2}", axis.low, axis.high), "0.00 to 3.03");
        assert_eq!(axis.beyond(&panel), " (triangle: 4,000, beyond the axis)");
        let svg = draw(&Picture { file: "a.svg", title: "A", panels: vec![panel] }).unwrap();
        assert!(svg.contains("beyond the axis") && svg.contains("mean of 5 steps"));
    }

    #[test]
    fn of_three_numbers_none_is_left_out() {
        let panel = panel(Kind::Lines, &[&[0.169_34, 0.169_31, 0.171_4]]);
        assert_eq!(Axis::of(&panel).beyond(&panel), "");
    }

    #[test]
    fn numbers_of_any_size_are_drawn() {
        for numbers in [
            &[1e300, -1e300][..],
            &[f64::MAX, f64::MIN],
            &[1e-320, 3e-320],
            &[0.3, 0.3 + 1e-16],
            &[f64::MIN_POSITIVE],
            &[1e9, 1e9 + 2e3],
        ] {
            let panels = vec![panel(Kind::Lines, &[numbers]), panel(Kind::Stacked, &[numbers])];
            assert!(draw(&Picture { file: "", title: "", panels }).is_ok(), "{numbers:?}");
        }
    }

    #[test]
    fn a_long_stack_is_drawn_in_means() {
        let long = panel(Kind::Stacked, &[&[3.0; 601], &[f64::NAN, 1.0, -7.0]]);
        let (bars, heights) = layers(&long);
        // 601 steps in bars of three: 200, and a last one of a single step.
        assert_eq!(averaged(&long), " (means of 3 steps)");
        assert_eq!(averaged(&panel(Kind::Stacked, &[&[3.0; 300]])), "");
        assert_eq!((bars.len(), &bars[0], &bars[200]), (201, &(0..3), &(600..601)));
        assert!(heights[0].iter().all(|height| (height - 3.0).abs() < 1e-12));
        assert_eq!(heights[1][..2], [1.0 / 3.0, 0.0]);
    }

    #[test]
    fn every_kind_is_drawn_with_a_legend_where_there_are_several() {
        for kind in [Kind::Lines, Kind::Noisy, Kind::Stacked] {
            for length in [1, 2, 200] {
                let curve = vec![1.0; length];
                let one =
                    draw(&Picture { file: "", title: "T", panels: vec![panel(kind, &[&curve])] }).unwrap();
                assert!(one.starts_with("<svg ") && one.ends_with("</svg>\n") && !one.contains("&lt;0&gt;"));
                let two =
                    draw(&Picture { file: "", title: "T", panels: vec![panel(kind, &[&curve, &curve])] })
                        .unwrap();
                assert!(two.contains("&lt;0&gt;") && two.contains("&lt;1&gt;"));
            }
        }
        assert_eq!(
            draw(&Picture { file: "", title: "", panels: Vec::new() }).unwrap_err().to_string(),
            "it has no panel"
        );
    }

    #[test]
    fn a_line_is_interrupted_where_nothing_is_finite() {
        let lines = |numbers: &[f64]| {
            let panels = vec![panel(Kind::Lines, &[numbers])];
            draw(&Picture { file: "", title: "", panels })
                .unwrap()
                .matches("<polyline fill=\"none\" opacity=\"1\" stroke=\"#0072B2\"")
                .count()
        };
        assert_eq!((lines(&[1.0, 2.0, 3.0, 4.0]), lines(&[1.0, 2.0, f64::NAN, 4.0, 5.0])), (1, 2));
    }

    #[test]
    fn long_names_are_shortened() {
        assert_eq!(
            (shortened("exact"), shortened(&"ä".repeat(30))),
            ("exact".to_owned(), "ä".repeat(19) + "…")
        );
    }
}
