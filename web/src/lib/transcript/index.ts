// What the rest of the app takes from here.

export { Branches } from './branches'
export type { ShownSession, ShownTurn } from './snapshot'
export { statsOf, type Stats } from './stats'
export { Transcript, type Changed, type Meta, type Typing } from './transcript'
export { answerText, isOpen, questionText, stateOf, type Piece, type Resumption, type Turn, type TurnState } from './turn'
