//! The picture: the fraction of the evidence that is found, against how many units are looked at.
//!
//! Rooms it touches: exit, bench.

use keepsake_dialogues::questions::category_name;
use keepsake_dialogues::recall::{KS, Recall};
use plotters::prelude::*;

use super::Failure;

const SIZE: (u32, u32) = (720, 440);

/// An SVG of one line for each kind of question, and a thick one for all.
pub(super) fn svg(recall: &Recall) -> Result<String, Failure> {
    let mut text = String::new();
    draw(recall, &mut text)
        .map_err(|error| Failure::other(format!("the picture cannot be drawn: {error}")))?;
    Ok(text)
}

fn draw(recall: &Recall, text: &mut String) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::with_string(text, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(format!("Evidence found, {} questions", recall.n), ("sans-serif", 18))
        .margin(14)
        .x_label_area_size(36)
        .y_label_area_size(48)
        .build_cartesian_2d(0.0..62.0, 0.0..100.0)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_desc("units looked at")
        .y_desc("fraction found, %")
        .draw()?;
    let lines = recall.by_category.iter().map(|(category, recall)| (category_name(category), recall));
    let lines = lines.chain([("overall".to_owned(), recall)]);
    let last = recall.by_category.len();
    for (number, (name, recall)) in lines.enumerate() {
        let colour = if number == last { BLACK.to_rgba() } else { Palette99::pick(number).to_rgba() };
        let style =
            ShapeStyle { color: colour, filled: true, stroke_width: if number == last { 3 } else { 2 } };
        let points: Vec<(f64, f64)> = KS.iter().map(|k| (*k as f64, recall.at[k].fraction)).collect();
        chart.draw_series(points.iter().map(|point| Circle::new(*point, 3, style)))?;
        let key = move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], style);
        chart
            .draw_series(LineSeries::new(points, style))?
            .label(format!("{name}, n = {}", recall.n))
            .legend(key);
    }
    let place = SeriesLabelPosition::LowerRight;
    chart.configure_series_labels().position(place).background_style(WHITE).border_style(BLACK).draw()?;
    area.present()?;
    Ok(())
}
