//! Which pictures a run's values make.
//!
//! A value that was not logged has no curve, a panel without curves and a picture without panels are left
//! out.
//!
//! Rooms it touches: history, chart.

use super::chart::{Kind, Panel, Picture};
use super::history::{History, Series};

/// All pictures that there can be, by file.
pub(super) const FILES: [&str; 7] =
    ["reward.svg", "evaluation.svg", "policy.svg", "loss.svg", "gradient.svg", "length.svg", "time.svg"];

/// What stands before the values of the answer agent where it learns beside the manager.
const BESIDE: &str = "answer/";

/// The pictures of a run, in the order of [`FILES`].
pub(super) fn pictures(history: &History) -> Vec<Picture> {
    let titles = ["Reward", "Evaluation", "Policy", "Loss and learning rate", "Gradient", "Length", "Time"];
    let panels = [
        reward(history),
        evaluation(history),
        policy(history),
        loss(history),
        gradient(history),
        length(history),
        time(history),
    ];
    let pictures = FILES.into_iter().zip(titles).zip(panels);
    let picture = |((file, title), panels): (_, Vec<Option<Panel>>)| {
        let panels: Vec<Panel> = panels.into_iter().flatten().collect();
        (!panels.is_empty()).then_some(Picture { file, title, panels })
    };
    pictures.filter_map(picture).collect()
}

fn reward(history: &History) -> Vec<Option<Panel>> {
    let parts: Vec<(&str, &str)> = under(history, "reward/").filter(|(_, part)| *part != "mean").collect();
    vec![
        panel(history, "Mean reward", "reward", Kind::Noisy, &[("reward/mean", "mean")]),
        panel(history, "Parts of the reward", "reward", Kind::Noisy, &parts),
        percent(panel(
            history,
            "Groups whose rewards were all equal",
            "% of groups",
            Kind::Noisy,
            &[("groups/zero_variance_fraction", "no variance")],
        )),
    ]
}

/// A panel for each value, with a curve for each evaluation that gave it.
fn evaluation(history: &History) -> Vec<Option<Panel>> {
    let all: Vec<(&str, &str, &str)> = under(history, "eval/")
        .filter_map(|(name, rest)| rest.split_once('/').map(|(evaluation, value)| (name, evaluation, value)))
        .collect();
    let mut values: Vec<&str> = all.iter().map(|(_, _, value)| *value).collect();
    // The reward comes first, the others by name.
    values.sort_by_key(|value| (*value != "reward/mean", *value));
    values.dedup();
    let of_value = |wanted: &&str| {
        let curves: Vec<(&str, &str)> = all
            .iter()
            .filter(|(_, _, value)| value == wanted)
            .map(|(name, evaluation, _)| (*name, *evaluation))
            .collect();
        let heading = match curves[..] {
            [(_, evaluation)] => format!("{} of {evaluation}", capitalised(wanted)),
            _ => capitalised(wanted),
        };
        panel(history, &heading, &wanted.replace(['_', '/'], " "), Kind::Lines, &curves)
    };
    values.iter().map(of_value).collect()
}

fn policy(history: &History) -> Vec<Option<Panel>> {
    let kl = [
        ("policy/approx_kl_k3", "from the old policy"),
        ("policy/mismatch_kl_k3", "from the sampler"),
        ("policy/reference_kl_k3", "from the base"),
    ];
    let nats = "nats per token";
    vec![
        panel(history, "Entropy", nats, Kind::Noisy, &[("policy/entropy", "entropy")]),
        panel(history, "Kullback-Leibler divergence", nats, Kind::Noisy, &kl),
        panel(
            history,
            "Probability ratio, new to old policy",
            "ratio",
            Kind::Noisy,
            &[("policy/ratio_mean", "ratio")],
        ),
    ]
}

fn loss(history: &History) -> Vec<Option<Panel>> {
    let explained = [("critic/explained_variance", "explained")];
    vec![
        panel(history, "Loss of fine-tuning", "nats per token", Kind::Noisy, &[("sft/loss", "loss")]),
        panel(history, "Loss of the policy", "loss", Kind::Noisy, &[("policy/policy_loss", "loss")]),
        panel(history, "Loss of the critic", "loss", Kind::Noisy, &[("critic/value_loss", "loss")]),
        panel(history, "Variance of returns that the critic explains", "fraction", Kind::Noisy, &explained),
        panel(history, "Learning rate", "step size", Kind::Lines, &[("learning_rate", "learning rate")]),
    ]
}

fn gradient(history: &History) -> Vec<Option<Panel>> {
    let norm = panel(history, "Norm before clipping", "norm", Kind::Noisy, &[("gradient/norm", "norm")]);
    let skipped = history.series("gradient/skipped").into_iter().flat_map(Series::finite);
    let skipped: Vec<u64> = skipped.filter(|(_, value)| *value > 0.0).map(|(step, _)| step).collect();
    let marked = (!skipped.is_empty()).then_some(("step left out", skipped));
    let clipped = [
        ("policy/clip_fraction_low", "at the low end"),
        ("policy/clip_fraction_high", "at the high end"),
        ("policy/clip_fraction_dual", "dual clip"),
    ];
    vec![
        norm.map(|norm| Panel { marked, ..norm }),
        percent(panel(history, "Tokens whose ratio was clipped", "% of tokens", Kind::Noisy, &clipped)),
    ]
}

fn length(history: &History) -> Vec<Option<Panel>> {
    let mut lengths: Vec<(&str, &str)> = under(history, "length/").collect();
    // What is trained comes first.
    lengths.sort_by_key(|(_, of)| (*of != "reply", *of));
    let one =
        |(name, of): (&str, &str)| panel(history, &capitalised(of), "tokens", Kind::Noisy, &[(name, of)]);
    lengths.into_iter().map(one).collect()
}

fn time(history: &History) -> Vec<Option<Panel>> {
    let order = ["sample", "reference", "train"];
    let mut phases: Vec<(&str, &str)> = under(history, "seconds/").collect();
    // In the order of a step, what else there is by name, and the rest last.
    let place = |phase: &str| order.iter().position(|name| *name == phase).unwrap_or(order.len());
    phases.sort_by_key(|(_, phase)| (*phase == "other", place(phase), *phase));
    vec![
        panel(history, "Seconds by phase", "seconds per step", Kind::Stacked, &phases),
        panel(history, "Speed", "tokens per second", Kind::Noisy, &[("speed/tokens_per_second", "speed")]),
        percent(panel(
            history,
            "Model FLOP utilisation",
            "% of the device's most",
            Kind::Noisy,
            &[("speed/model_flop_utilisation", "utilisation")],
        )),
    ]
}

/// A panel of those values that were logged.
fn panel(history: &History, heading: &str, unit: &str, kind: Kind, values: &[(&str, &str)]) -> Option<Panel> {
    let curve = |name: &str, shown: String| Some((shown, history.series(name)?.clone()));
    let curves = |(name, shown): &(&str, &str)| {
        let shown = shown.replace(['_', '/'], " ");
        let beside = curve(&format!("{BESIDE}{name}"), format!("{shown}, answer agent"));
        [curve(name, shown), beside]
    };
    let curves: Vec<(String, Series)> = values.iter().flat_map(curves).flatten().collect();
    (!curves.is_empty()).then(|| Panel {
        heading: heading.to_owned(),
        unit: unit.to_owned(),
        kind,
        curves,
        marked: None,
    })
}

/// Fractions as percent.
fn percent(panel: Option<Panel>) -> Option<Panel> {
    let mut panel = panel?;
    for (_, value) in panel.curves.iter_mut().flat_map(|(_, series)| &mut series.points) {
        *value = value.map(|fraction| fraction * 100.0);
    }
    Some(panel)
}

/// The names with a prefix, and what follows it.
fn under<'a>(history: &'a History, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    history.names().filter_map(move |name| Some((name, name.strip_prefix(prefix)?)))
}

fn capitalised(name: &str) -> String {
    let name = name.replace(['_', '/'], " ");
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::super::LOG;
    use super::{FILES, History, Picture, pictures};

    /// The pictures of a log with one line.
    fn of(values: &str) -> Vec<Picture> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(LOG), format!("{{\"step\":0,\"seconds\":1{values}}}\n")).unwrap();
        pictures(&History::read(folder.path()).unwrap())
    }

    fn curves(picture: &Picture, panel: usize) -> Vec<&str> {
        picture.panels[panel].curves.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn what_was_not_logged_is_left_out() {
        assert!(of("").is_empty() && of(",\"policy/entropy\":null,\"unheard/of\":1").is_empty());
        let some = of(
            ",\"reward/f1\":0.5,\"groups/zero_variance_fraction\":0.25,\"learning_rate\":1e-5,\"sft/loss\":1",
        );
        assert_eq!(some.iter().map(|picture| picture.file).collect::<Vec<_>>(), ["reward.svg", "loss.svg"]);
        assert_eq!((curves(&some[0], 0), some[0].panels.len(), some[1].panels.len()), (vec!["f1"], 2, 2));
        assert_eq!(some[0].panels[1].curves[0].1.points, [(0, Some(25.0))]);
    }

    #[test]
    fn evaluations_are_compared_value_by_value() {
        let names = ["a/operations/accuracy", "a/reward/mean", "b/reward/mean"]
            .map(|name| format!(",\"eval/{name}\":1"));
        let pictures = of(&names.concat());
        assert_eq!((pictures.len(), pictures[0].file), (1, FILES[1]));
        let headings: Vec<&str> = pictures[0].panels.iter().map(|panel| panel.heading.as_str()).collect();
        assert_eq!(headings, ["Reward mean", "Operations accuracy of a"]);
        assert_eq!(curves(&pictures[0], 0), ["a", "b"]);
    }

    #[test]
    fn phases_lie_in_the_order_of_a_step() {
        let names =
            ["other", "save", "train", "reference", "sample"].map(|name| format!(",\"seconds/{name}\":1"));
        assert_eq!(curves(&of(&names.concat())[0], 0), ["sample", "reference", "train", "save", "other"]);
    }

    #[test]
    fn the_answer_agent_that_learns_beside_the_manager_has_curves_of_its_own() {
        let names = ["policy/entropy", "answer/policy/entropy", "policy/mismatch_kl_k3", "policy/kl_loss"];
        let pictures = of(&names.map(|name| format!(",\"{name}\":1")).concat());
        assert_eq!(
            (curves(&pictures[0], 0), curves(&pictures[0], 1)),
            (vec!["entropy", "entropy, answer agent"], vec!["from the sampler"])
        );
    }

    #[test]
    fn steps_that_were_left_out_are_marked() {
        let pictures = of(",\"gradient/norm\":0.5,\"gradient/skipped\":1");
        assert_eq!(pictures[0].panels[0].marked, Some(("step left out", vec![0])));
        assert_eq!(of(",\"gradient/norm\":0.5,\"gradient/skipped\":0")[0].panels[0].marked, None);
    }
}
