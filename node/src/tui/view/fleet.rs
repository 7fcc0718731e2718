//! The panel of the machines: how each is, the way to it, its replicas, and how fast the running answer comes.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use pomona_protocol::{NodeState, NodeStatus, ReplicaState, ReplicaStatus};

use crate::tui::model::{Fleet, Model};
use crate::tui::text::{clean_line, clip};
use crate::tui::theme::Theme;

/// Draws the panel.
pub(super) fn draw(model: &Model, buffer: &mut Buffer, area: Rect) {
    let Some(fleet) = &model.fleet else { return };
    let columns = usize::from(area.width);
    for (row, line) in lines(model, fleet, columns).iter().enumerate() {
        super::line(buffer, area, row, line);
    }
}

fn lines(model: &Model, fleet: &Fleet, columns: usize) -> Vec<Line<'static>> {
    let theme = model.theme;
    let mut lines = vec![Line::styled("Fleet", theme.bold())];
    if let Some(trouble) = &fleet.trouble {
        lines.push(Line::styled(clip(&clean_line(trouble), columns), theme.bad()));
    }
    match &fleet.status {
        Some(status) => {
            let text = format!(
                "{} running · {} waiting · {} clients",
                status.turns_active, status.turns_queued, status.clients
            );
            lines.push(Line::raw(clip(&text, columns)));
        }
        None if fleet.trouble.is_none() => lines.push(Line::styled("looking…", theme.dim())),
        None => {}
    }
    let running = model.chat.as_ref().and_then(|chat| chat.open_turn());
    if let Some(rate) = running.and_then(|turn| turn.tokens_per_s()) {
        lines.push(Line::styled(format!("{rate:.1} tokens/s in this session"), theme.good()));
    }
    for node in &fleet.nodes {
        lines.push(Line::raw(""));
        lines.push(node_line(node, columns, theme));
        lines.extend(node.replicas.iter().map(|replica| replica_line(replica, columns, theme)));
    }
    lines
}

fn node_line(node: &NodeStatus, columns: usize, theme: Theme) -> Line<'static> {
    let path = match &node.path {
        _ if node.is_here => "here".to_owned(),
        Some(path) => format!("{} {:.0} ms", path.kind.as_str().to_uppercase(), path.rtt_ms.ceil()),
        None => "-".to_owned(),
    };
    let state = format!(" {} · {path}", node.state.as_str());
    let name = clip(&clean_line(&node.name), columns.saturating_sub(state.len() + 2));
    Line::from(vec![
        Span::styled("■ ", node_style(node.state, theme)),
        Span::styled(name, theme.bold()),
        Span::styled(state, node_style(node.state, theme)),
    ])
}

fn node_style(state: NodeState, theme: Theme) -> Style {
    match state {
        NodeState::Alive => theme.good(),
        NodeState::Suspect | NodeState::Draining => theme.warning(),
        NodeState::Offline => theme.bad(),
    }
}

fn replica_line(replica: &ReplicaStatus, columns: usize, theme: Theme) -> Line<'static> {
    let kv = match replica.kv_blocks_total {
        0 => String::new(),
        total => format!(" · KV {} %", u64::from(replica.kv_blocks_used) * 100 / u64::from(total)),
    };
    let turns = if replica.turns == 1 { "1 turn".to_owned() } else { format!("{} turns", replica.turns) };
    let text = format!("  {} {} · {turns}{kv}", clean_line(&replica.model), replica.state.as_str());
    let style = match replica.state {
        ReplicaState::Ready => Style::new(),
        ReplicaState::Loading | ReplicaState::Restarting => theme.warning(),
        ReplicaState::Failed => theme.bad(),
    };
    Line::styled(clip(&text, columns), style)
}
