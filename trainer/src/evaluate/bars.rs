//! Draws bars beside their names, in blocks under each other on one axis, each with its interval, as SVG.
//!
//! It knows no names of metrics. Colours are those of the training report's pictures.
//!
//! Rooms it touches: record (chart, numbers).

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use crate::record::chart::{Area, COLOURS, Drawn, INK, write};
use crate::record::numbers::tick;

/// A picture.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bars {
    pub(super) title: String,
    /// What the whiskers are, and in what the axis counts.
    pub(super) remark: String,
    pub(super) blocks: Vec<Block>,
}

/// Bars that belong together.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Block {
    pub(super) heading: String,
    pub(super) rows: Vec<Row>,
}

/// A bar.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) name: String,
    /// The number of its colour.
    pub(super) colour: usize,
    pub(super) value: f64,
    /// From where to where its whisker goes.
    pub(super) whisker: (f64, f64),
    /// The value as it is written.
    pub(super) text: String,
}

/// Pixels.
const WIDTH: u32 = 900;
const TITLE: u32 = 58;
const HEADING: u32 = 30;
const ROW: u32 = 21;
const AXIS: u32 = 34;
const NAMES: i32 = 240;
const VALUES: i32 = 170;
const MARGIN: i32 = 16;
/// About so many ticks.
const TICKS: f64 = 6.0;

impl Bars {
    /// The picture as SVG.
    pub(super) fn draw(&self) -> Drawn<String> {
        let rows: usize = self.blocks.iter().map(|block| block.rows.len()).sum();
        if rows == 0 {
            return Err("it has no bar".into());
        }
        let height = TITLE + HEADING * self.blocks.len() as u32 + ROW * rows as u32 + AXIS;
        let mut text = String::new();
        let area = SVGBackend::with_string(&mut text, (WIDTH, height)).into_drawing_area();
        area.fill(&WHITE)?;
        write(&area, &self.title, (MARGIN, 20), 21, HPos::Left)?;
        write(&area, &self.remark, (MARGIN, 44), 14, HPos::Left)?;
        let axis = Axis::of(self);
        let bottom = (height - AXIS) as i32;
        for value in axis.values() {
            write(&area, &tick(value, axis.high), (axis.at(value), bottom + 14), 14, HPos::Center)?;
        }
        let mut y = TITLE as i32;
        for block in &self.blocks {
            write(&area, &block.heading, (MARGIN, y + HEADING as i32 / 2 + 3), 16, HPos::Left)?;
            y += HEADING as i32;
            // Only behind bars, so that no line goes through a heading.
            let end = y + (ROW as usize * block.rows.len()) as i32;
            for value in axis.values() {
                let (x, strength) = (axis.at(value), if value > 0.0 { 0.13 } else { 0.6 });
                let line = BLACK.mix(strength).stroke_width(1);
                area.draw(&PathElement::new([(x, y), (x, end)], line))?;
            }
            for row in &block.rows {
                draw_row(&area, row, &axis, y + ROW as i32 / 2)?;
                y += ROW as i32;
            }
        }
        area.present()?;
        drop(area);
        Ok(text)
    }
}

fn draw_row(area: &Area<'_>, row: &Row, axis: &Axis, y: i32) -> Drawn {
    let colour = COLOURS[row.colour % COLOURS.len()];
    write(area, &row.name, (NAMES - 8, y), 14, HPos::Right)?;
    area.draw(&Rectangle::new([(NAMES, y - 7), (axis.at(row.value), y + 7)], colour.mix(0.8).filled()))?;
    let (low, high) = (axis.at(row.whisker.0), axis.at(row.whisker.1));
    let ink = INK.stroke_width(1);
    if high > low {
        area.draw(&PathElement::new([(low, y), (high, y)], ink))?;
        for end in [low, high] {
            area.draw(&PathElement::new([(end, y - 4), (end, y + 4)], ink))?;
        }
    }
    write(area, &row.text, (high.max(axis.at(row.value)) + 8, y), 14, HPos::Left)
}

/// From 0 to a round number beyond all bars and whiskers.
struct Axis {
    step: f64,
    ticks: u32,
    high: f64,
}

impl Axis {
    fn of(bars: &Bars) -> Self {
        let rows = bars.blocks.iter().flat_map(|block| &block.rows);
        let ends = rows.flat_map(|row| [row.value, row.whisker.1]);
        let most = ends.filter(|value| value.is_finite()).fold(0.0, f64::max);
        let most = if most > 0.0 { most } else { 1.0 };
        let size = 10_f64.powf((most / TICKS).log10().floor());
        let step =
            [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().find(|step| step * size * TICKS >= most).unwrap_or(10.0)
                * size;
        let ticks = (most / step - 1e-9).ceil().max(1.0) as u32;
        Self { step, ticks, high: step * f64::from(ticks) }
    }

    fn values(&self) -> impl Iterator<Item = f64> + '_ {
        (0..=self.ticks).map(|nth| self.step * f64::from(nth))
    }

    fn at(&self, value: f64) -> i32 {
        let wide = f64::from(WIDTH as i32 - NAMES - VALUES);
        let value = if value.is_finite() { value.clamp(0.0, self.high) } else { 0.0 };
        NAMES + (value / self.high * wide).round() as i32
    }
}

#[cfg(test)]
mod tests {
    use super::{Axis, Bars, Block, Row};

    fn bars(values: &[f64]) -> Bars {
        let row = |(nth, value): (usize, &f64)| Row {
            name: format!("<{nth}>"),
            colour: nth,
            value: *value,
            whisker: (value * 0.5, value * 1.5),
            text: format!("{value:.1}"),
        };
        let rows = values.iter().enumerate().map(row).collect();
        Bars { title: "T".into(), remark: "R".into(), blocks: vec![Block { heading: "all".into(), rows }] }
    }

    #[test]
    fn an_axis_ends_at_a_round_number_beyond_all() {
        let of = |values: &[f64]| {
            let axis = Axis::of(&bars(values));
            (axis.step, axis.ticks)
        };
        // Whiskers reach half as far again.
        assert_eq!(of(&[20.0, 40.0]), (10.0, 6));
        assert_eq!(of(&[0.0]), (0.2, 5));
        let (step, ticks) = of(&[1_234.0]);
        assert!(step * f64::from(ticks) >= 1_851.0 && step * f64::from(ticks - 1) < 1_851.0);
    }

    #[test]
    fn every_bar_has_its_name_and_value() {
        let svg = bars(&[0.0, 31.5, f64::NAN]).draw().unwrap();
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{svg}");
        assert!(svg.contains("&lt;1&gt;") && svg.contains("31.5") && svg.contains("all"));
        assert_eq!(bars(&[]).draw().unwrap_err().to_string(), "it has no bar");
    }
}
